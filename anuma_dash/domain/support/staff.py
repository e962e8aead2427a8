"""What staff do before they look: ask the customer, or two administrators for an emergency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.acting import staff_now
from anuma_dash.domain.staff import require_tenure, require_tenure_of_asker
from anuma_dash.domain.support import letters
from anuma_dash.domain.support.models import (
    EMERGENCY_HOURS,
    LONGEST_REASON,
    LONGEST_TICKET,
    SupportGrant,
    check_switched_on,
    checked_hours,
    checked_scopes,
    checked_text,
)
from anuma_dash.errors import Conflict, NotAllowed, NotFound
from anuma_dash.identity import Account, Actor, Membership, Role, StaffMember, StaffRole, User, lock_account
from anuma_dash.settings import Settings
from anuma_dash.workflows import Context

REASON_MISSING = "Say why you need to look. The customer reads it."
TICKET_MISSING = "Enter the number of the ticket."


def refusal_of_target(tx: Session, account: Account, staff_id: UUID) -> str:
    """Why a member of staff may never look into this account, in words; empty if they may with a grant (rule 4)."""
    own = select(Membership.id).where(Membership.account_id == account.id, Membership.user_id == staff_id)
    if account.status == "active" and tx.scalar(own) is not None:
        return "You belong to this account: nobody looks into their own."
    return refusal_of_account(tx, account)


def refusal_of_account(tx: Session, account: Account) -> str:
    """Why nobody of staff may look into this account, whatever is granted, in words; empty if they may (rule 4)."""
    if account.status != "active":
        return f"This account is {account.status}: nobody looks into it."
    owners = select(Membership.user_id).where(Membership.account_id == account.id, Membership.role == Role.OWNER.value)
    if tx.scalar(select(StaffMember.id).where(StaffMember.user_id.in_(owners)).limit(1)) is not None:
        return "This account is owned by somebody of staff: nobody looks into it."
    return ""


def ask_for_access(
    context: Context, actor: Actor, account_id: UUID, *, scopes: Iterable[str], hours: int, reason: str, ticket: str
) -> SupportGrant:
    """Ask the customer to be let in; those who may decide get mail, and the account's activity says it.

    Raises `NotAllowed`, `NotFound`, `Invalid`, and `Conflict` if support access is off, or the same person's question
    still waits.
    """
    check_switched_on(context.settings)
    chosen, hours = checked_scopes(scopes), checked_hours(hours)
    grant = _question(actor, account_id, "grant", chosen, hours, reason, ticket)
    return _ask(context, actor, StaffRole.SUPPORT, grant, Event.SUPPORT_ASKED)


def ask_for_emergency(context: Context, actor: Actor, account_id: UUID, *, reason: str, ticket: str) -> SupportGrant:
    """Ask a second administrator to be let in without the customer: metadata only, for a few hours.

    Raises `NotAllowed`, `NotFound`, `Invalid`, `Conflict`.
    """
    check_switched_on(context.settings)
    grant = _question(actor, account_id, "emergency", ["metadata"], EMERGENCY_HOURS, reason, ticket)
    return _ask(context, actor, StaffRole.ADMINISTRATOR, grant, Event.SUPPORT_EMERGENCY_ASKED)


def _question(
    actor: Actor, account_id: UUID, kind: str, scopes: list[str], hours: int, reason: str, ticket: str
) -> SupportGrant:
    return SupportGrant(
        id=new_id(),
        account_id=account_id,
        kind=kind,
        state="asked",
        scopes=scopes,
        hours=hours,
        reason=checked_text(reason, "reason", LONGEST_REASON, REASON_MISSING),
        ticket=checked_text(ticket, "ticket", LONGEST_TICKET, TICKET_MISSING),
        asked_by=actor.user_id,
    )


def _ask(context: Context, actor: Actor, role: StaffRole, grant: SupportGrant, event: Event) -> SupportGrant:
    now = grant.asked_at = context.clock()
    assert actor.user_id is not None
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, grant.account_id)
        asking = staff_now(tx, actor, role)
        if grant.kind == "emergency":
            require_tenure_of_asker(tx, context.settings, actor.user_id, now, role)
        if refusal := refusal_of_target(tx, account, actor.user_id):
            raise Conflict(refusal)
        mine = owned(SupportGrant, account.id).where(
            SupportGrant.asked_by == actor.user_id, SupportGrant.state == "asked", SupportGrant.kind == grant.kind
        )
        if any(earlier.waiting(now) for earlier in tx.scalars(mine)):
            raise Conflict("You have asked for this already, and it waits for an answer.")
        tx.add(grant)
        fields = {"grant_id": grant.id, "reason": grant.reason, "ticket": grant.ticket}
        if event is Event.SUPPORT_ASKED:
            fields |= {"scopes": grant.scopes, "hours": grant.hours}
            letters.tell_of_question(tx, context.settings, account, grant, actor.name, now)
        record(tx, _in(asking, account.id), event, at=now, account_id=account.id, **fields)
    return grant


def _in(actor: Actor, account_id: UUID) -> Actor:
    return replace(actor, kind="staff", account_id=account_id)


def approve_emergency(context: Context, actor: Actor, grant_id: UUID) -> SupportGrant:
    """Let the administrator in who asked, as a second administrator; the account's owners get mail at once.

    Raises `NotAllowed`, `NotFound`, `Conflict`.
    """
    check_switched_on(context.settings)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        query = select(SupportGrant).where(SupportGrant.id == grant_id, SupportGrant.kind == "emergency")
        grant = tx.scalar(query)
        if grant is None:
            raise NotFound("There is no such request.")
        account = lock_account(tx, grant.account_id)
        tx.refresh(grant)
        approving = staff_now(tx, actor, StaffRole.ADMINISTRATOR)
        asking = _check_second(tx, context.settings, approving, account, grant)
        if not grant.waiting(now):
            raise Conflict("This request waits for no approval any more.")
        grant.state, grant.approved_by, grant.granted_at = "live", actor.user_id, now
        grant.expires_at = now + timedelta(hours=grant.hours)
        record(
            tx,
            _in(approving, account.id),
            Event.SUPPORT_EMERGENCY_APPROVED,
            at=now,
            account_id=account.id,
            grant_id=grant.id,
            staff=asking.name,
            staff_id=asking.id,
            hours=grant.hours,
        )
        letters.tell_of_emergency(tx, context.settings, account, grant, asking.name, actor.name, now)
    return grant


def _check_second(tx: Session, settings: Settings, actor: Actor, account: Account, grant: SupportGrant) -> User:
    assert actor.user_id is not None
    assert grant.asked_by is not None
    assert grant.asked_at is not None
    if grant.asked_by == actor.user_id:
        raise NotAllowed("Another administrator has to approve what you asked for.")
    for person in (actor.user_id, grant.asked_by):
        if refusal := refusal_of_target(tx, account, person):
            raise Conflict(refusal)
    still = select(StaffMember).where(
        StaffMember.user_id == grant.asked_by, StaffMember.role == StaffRole.ADMINISTRATOR.value
    )
    if tx.scalar(still) is None:
        raise Conflict("Whoever asked for this is no administrator any more.")
    require_tenure(tx, settings, actor, grant.asked_at)
    require_tenure_of_asker(tx, settings, grant.asked_by, grant.asked_at, StaffRole.ADMINISTRATOR)
    return tx.get_one(User, grant.asked_by)


def grants_for_staff(tx: Session, account_id: UUID) -> Sequence[SupportGrant]:
    """What staff may know of an account before they look: its grants and questions, newest first."""
    query = owned(SupportGrant, account_id).order_by(SupportGrant.id.desc()).limit(50)
    return list(tx.scalars(query))


def emergencies_waiting(tx: Session) -> Sequence[SupportGrant]:
    """Emergency access that an administrator asked for and nobody has approved, oldest first; some may have lapsed."""
    query = select(SupportGrant).where(SupportGrant.kind == "emergency", SupportGrant.state == "asked")
    return list(tx.scalars(query.order_by(SupportGrant.id)))
