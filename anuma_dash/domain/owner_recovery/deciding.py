"""What people decide about a recovery: staff ask and approve, the account and administrators stop."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.acting import acting_now, staff_now
from anuma_dash.domain.owner_recovery.letters import NOTICE, STOPPED, tell
from anuma_dash.domain.owner_recovery.models import (
    UNAPPROVED_LIFETIME,
    OwnerRecovery,
    OwnerRecoveryApproval,
    approvals_of,
    lock_recovery,
    open_recovery,
)
from anuma_dash.domain.owner_recovery.settling import end_lapsed, note, settle
from anuma_dash.domain.staff import require_tenure, require_tenure_of_asker
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.identity import Account, Actor, Permission, StaffRole, lock_account, membership_of
from anuma_dash.names import fold_address, one_line
from anuma_dash.workflows import Context

APPROVALS = 2
ASKING = (StaffRole.SUPPORT, StaffRole.ADMINISTRATOR)
"""Who may ask for a recovery."""
LONGEST_REASON = 500
LONGEST_TICKET = 60


def ask_recovery(
    context: Context, actor: Actor, account_id: UUID, *, new_owner_email: str, reason: str, ticket: str
) -> OwnerRecovery:
    """Ask that the person with this address become an owner. For staff with the support or administrator role.

    Raises `NotAllowed`, `NotFound`, `Invalid`, and `Conflict` if the account is not active or another is under way.
    """
    now = context.clock()
    email = fold_address(new_owner_email)
    reason, ticket = one_line(reason), one_line(ticket)
    _check_words(email, reason, ticket)
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        staff = _staff(tx, actor, account_id, *ASKING)
        assert actor.user_id is not None
        require_tenure_of_asker(tx, context.settings, actor.user_id, now, *ASKING)
        _active(account)
        if open_recovery(tx, account_id, now) is not None:
            raise Conflict("A recovery of this account is under way already.")
        end_lapsed(tx, account_id, now)
        row = OwnerRecovery(id=new_id(), account_id=account_id, new_owner_email=email, reason=reason, ticket=ticket)
        row.state, row.asked_by, row.asked_by_name, row.asked_at = "asked", actor.user_id, actor.name, now
        row.attempt = 1
        tx.add(row)
        record(
            tx,
            staff,
            Event.OWNER_RECOVERY_ASKED,
            at=now,
            account_id=account_id,
            new_owner=email,
            reason=reason,
            ticket=ticket,
            recovery_id=row.id,
        )
    return row


def _check_words(email: str, reason: str, ticket: str) -> None:
    if not mail.mailable(email):
        raise Invalid("Enter the e-mail address of the person who is to become an owner.", field="new_owner_email")
    if not reason or len(reason) > LONGEST_REASON:
        raise Invalid(f"Say why, in {LONGEST_REASON} characters at most.", field="reason")
    if not ticket or len(ticket) > LONGEST_TICKET:
        raise Invalid(f"Give the ticket, in {LONGEST_TICKET} characters at most.", field="ticket")


def _staff(tx: Session, actor: Actor, account_id: UUID, *roles: StaffRole) -> Actor:
    """The actor as staff. Their role is read anew; members of the account are refused."""
    staff = staff_now(tx, actor, *roles)
    if membership_of(tx, account_id, actor.user_id) is not None:
        raise NotAllowed("You belong to this account, so somebody else has to look after it.")
    return staff


def _active(account: Account) -> None:
    if account.status != "active":
        raise Conflict(f"The account is {account.status}. Nobody becomes an owner of it.")


def approve_recovery(context: Context, actor: Actor, recovery_id: UUID) -> OwnerRecovery:
    """Approve a recovery as an administrator of the service; the second approval starts the delay and the notices.

    Raises `NotAllowed` for the one who asked or has approved already, `NotFound`, `Conflict`.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account, row = lock_recovery(tx, recovery_id)
        staff = _staff(tx, actor, account.id, StaffRole.ADMINISTRATOR)
        _active(account)
        given = approvals_of(tx, row.id)
        if row.asked_by == actor.user_id or actor.user_id in {one.approved_by for one in given}:
            raise NotAllowed("Two administrators have to approve, neither of them the one who asked.")
        require_tenure(tx, context.settings, actor, row.asked_at)
        require_tenure_of_asker(tx, context.settings, row.asked_by, row.asked_at, *ASKING)
        if row.state != "asked" or now - row.asked_at > UNAPPROVED_LIFETIME:
            raise Conflict("This recovery cannot be approved any more.")
        assert actor.user_id is not None
        tx.add(
            OwnerRecoveryApproval(
                id=new_id(),
                recovery_id=row.id,
                approved_by=actor.user_id,
                approved_by_name=actor.name,
                approved_at=now,
            )
        )
        note(tx, staff, Event.OWNER_RECOVERY_APPROVED, row, now, number=len(given) + 1)
        if len(given) + 1 == APPROVALS:
            _schedule(tx, context, staff, account, row, now)
    return row


def _schedule(tx: Session, context: Context, staff: Actor, account: Account, row: OwnerRecovery, now: datetime) -> None:
    row.state = "scheduled"
    row.effective_at = now + timedelta(hours=context.settings.owner_recovery_delay_hours)
    row.next_try_at = now
    told = tell(tx, context, account, row, NOTICE, now)
    note(tx, staff, Event.OWNER_RECOVERY_SCHEDULED, row, now, effective_at=row.effective_at, count=told)


def stop_recovery(context: Context, actor: Actor, account_id: UUID, recovery_id: UUID) -> OwnerRecovery:
    """Stop a recovery before it is in effect: owners and admins of the account may, in whatever state it is, and
    administrators of the service.

    Raises `NotAllowed`, `NotFound`, and `Conflict` if it is not under way any more.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account, row = lock_recovery(tx, recovery_id)
        if account.id != account_id:
            raise NotFound("There is no such recovery.")
        if actor.account_id == account_id and actor.kind == "user":
            stopping = acting_now(tx, actor, account)
            stopping.require(Permission.STOP_RECOVERY)
        else:
            stopping = _staff(tx, actor, account_id, StaffRole.ADMINISTRATOR)
        if row.state not in ("asked", "scheduled"):
            raise Conflict("This recovery is not under way any more.")
        scheduled = row.state == "scheduled"
        settle(row, "stopped", now, stopping.name)
        note(tx, stopping, Event.OWNER_RECOVERY_STOPPED, row, now)
        if scheduled:
            tell(tx, context, account, row, STOPPED, now, stopped_by=stopping.name)
    return row
