"""What the customer does: let staff in, answer those who ask, take it back, end a session."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.acting import acting_now
from anuma_dash.domain.support.models import (
    LONGEST_TICKET,
    SupportGrant,
    SupportSession,
    check_switched_on,
    checked_hours,
    checked_scopes,
    checked_text,
)
from anuma_dash.domain.support.sessions import end_session
from anuma_dash.domain.support.staff import refusal_of_account
from anuma_dash.errors import Conflict, Invalid, NotFound
from anuma_dash.identity import Account, Actor, Permission, User, find_account, lock_account
from anuma_dash.workflows import Context


def grant_access(
    context: Context, actor: Actor, account_id: UUID, *, scopes: Iterable[str], hours: int, ticket: str
) -> SupportGrant:
    """Let support staff look into the account from now on for so many hours.

    Raises `NotAllowed`, `Invalid`, and `Conflict` where the deployment has no support access, nobody may look into the
    account whatever is granted, or a grant like this is live: one ends before another begins, so that it is always
    plain what staff may see.
    """
    check_switched_on(context.settings)
    chosen, hours = checked_scopes(scopes), checked_hours(hours)
    ticket = checked_text(ticket, "ticket", LONGEST_TICKET)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        acting = _deciding(tx, actor, account_id)
        _check_open(tx, find_account(tx, account_id))
        query = owned(SupportGrant, account_id).where(SupportGrant.state == "live", SupportGrant.asked_by.is_(None))
        if any(grant.live(now) for grant in tx.scalars(query)):
            raise Conflict("Support may look into the account already. Revoke that first to grant it differently.")
        grant = SupportGrant(
            id=new_id(), account_id=account_id, kind="grant", scopes=chosen, hours=hours, ticket=ticket
        )
        _go_live(grant, acting, now)
        tx.add(grant)
        record(
            tx,
            acting,
            Event.SUPPORT_GRANTED,
            at=now,
            account_id=account_id,
            grant_id=grant.id,
            scopes=chosen,
            hours=hours,
            ticket=ticket,
        )
    return grant


def _deciding(tx: Session, actor: Actor, account_id: UUID) -> Actor:
    """The actor as they may decide now, behind the account's lock. Raises `NotAllowed`, `NotFound`."""
    acting = acting_now(tx, actor, lock_account(tx, account_id))
    acting.require(Permission.MANAGE_SUPPORT_ACCESS)
    return acting


def _check_open(tx: Session, account: Account) -> None:
    # A grant that opens nothing would be said to let somebody in.
    if refusal := refusal_of_account(tx, account):
        raise Conflict(refusal)


def _go_live(grant: SupportGrant, actor: Actor, now: datetime) -> None:
    grant.state, grant.granted_by, grant.granted_at = "live", actor.user_id, now
    grant.expires_at = now + timedelta(hours=grant.hours)


def approve_request(
    context: Context, actor: Actor, account_id: UUID, grant_id: UUID, *, scopes: Iterable[str], hours: int
) -> SupportGrant:
    """Let the staff member in who asked for it, for what they asked or for less.

    Raises `NotAllowed`, `NotFound`, `Invalid`, and `Conflict` if it waits for no answer any more, or nobody may look
    into the account whatever is granted.
    """
    check_switched_on(context.settings)
    chosen, now = checked_scopes(scopes), context.clock()
    with context.db.transaction(durable=True) as tx:
        acting = _deciding(tx, actor, account_id)
        grant = _waiting(tx, account_id, grant_id, now)
        _check_open(tx, find_account(tx, account_id))
        if not set(chosen) <= set(grant.scopes):
            raise Invalid("You can allow what was asked for, or less.", field="scopes")
        grant.scopes, grant.hours = chosen, checked_hours(hours, grant.hours)
        _go_live(grant, acting, now)
        record(
            tx,
            acting,
            Event.SUPPORT_APPROVED,
            at=now,
            account_id=account_id,
            grant_id=grant.id,
            staff=_name(tx, grant.asked_by),
            staff_id=grant.asked_by,
            scopes=chosen,
            hours=grant.hours,
        )
    return grant


def decline_request(context: Context, actor: Actor, account_id: UUID, grant_id: UUID) -> SupportGrant:
    """Say no to the staff member who asked. Raises `NotAllowed`, `NotFound`, `Conflict`."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        acting = _deciding(tx, actor, account_id)
        grant = _waiting(tx, account_id, grant_id, now)
        grant.state, grant.ended_at, grant.ended_by = "declined", now, actor.user_id
        record(
            tx,
            acting,
            Event.SUPPORT_DECLINED,
            at=now,
            account_id=account_id,
            grant_id=grant.id,
            staff=_name(tx, grant.asked_by),
            staff_id=grant.asked_by,
        )
    return grant


def _waiting(tx: Session, account_id: UUID, grant_id: UUID, now: datetime) -> SupportGrant:
    grant = _find(tx, account_id, grant_id)
    if grant.kind == "emergency":
        raise NotFound("There is no such request.")
    if not grant.waiting(now):
        raise Conflict("This request waits for no answer any more.")
    return grant


def _find(tx: Session, account_id: UUID, grant_id: UUID) -> SupportGrant:
    grant = tx.scalar(owned(SupportGrant, account_id).where(SupportGrant.id == grant_id))
    if grant is None:
        raise NotFound("There is no such request.")
    return grant


def _name(tx: Session, user_id: UUID | None) -> str:
    return tx.scalar(select(User.name).where(User.id == user_id)) or "somebody"


def revoke_grant(context: Context, actor: Actor, account_id: UUID, grant_id: UUID) -> int:
    """Take back what was granted, emergency access too; returns how many sessions that ended.

    Raises `NotAllowed`, `NotFound`, and `Conflict` if it was over before.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        acting = _deciding(tx, actor, account_id)
        grant = _find(tx, account_id, grant_id)
        if grant.state != "live":
            raise Conflict("This support access is over already.")
        return _revoke(tx, acting, grant, now)


def _revoke(tx: Session, actor: Actor, grant: SupportGrant, now: datetime) -> int:
    grant.state, grant.ended_at, grant.ended_by = "ended", now, actor.user_id
    open_ones = owned(SupportSession, grant.account_id).where(
        SupportSession.grant_id == grant.id, SupportSession.ended_at.is_(None)
    )
    inside = list(tx.scalars(open_ones.with_for_update()))
    for session in inside:
        end_session(tx, actor, session, "revoked", now)
    record(tx, actor, Event.SUPPORT_REVOKED, at=now, account_id=grant.account_id, grant_id=grant.id, count=len(inside))
    return len(inside)


def end_support_access(tx: Session, actor: Actor, account_id: UUID, now: datetime) -> int:
    """Revoke everything that is live in an account, whose row is locked; returns how many grants that were."""
    query = owned(SupportGrant, account_id).where(SupportGrant.state == "live").order_by(SupportGrant.id)
    live = list(tx.scalars(query))
    for grant in live:
        _revoke(tx, actor, grant, now)
    return len(live)


def end_support_session(context: Context, actor: Actor, account_id: UUID, session_id: UUID) -> SupportSession:
    """Put a staff member out of the account; the grant stays. One that is over stays as it ended.

    Raises `NotAllowed`, `NotFound`.
    """
    with context.db.transaction(durable=True) as tx:
        acting = _deciding(tx, actor, account_id)
        query = owned(SupportSession, account_id).where(SupportSession.id == session_id)
        session = tx.scalar(query.with_for_update())
        if session is None:
            raise NotFound("There is no such support session.")
        end_session(tx, acting, session, "customer", context.clock())
    return session
