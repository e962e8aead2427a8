"""How a recovery ends: the person becomes an owner when the delay is over, or it is found that it cannot be."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.closings import AccountClosing
from anuma_dash.domain.owner_recovery.letters import DONE, tell
from anuma_dash.domain.owner_recovery.models import (
    UNAPPROVED_LIFETIME,
    OwnerRecovery,
    approvals_of,
    lock_recovery,
    open_recovery,
)
from anuma_dash.domain.suspensions import suspensions_of
from anuma_dash.identity import WORKER, Account, Actor, Membership, Role, User, membership_of, staff_roles_of
from anuma_dash.names import fold_address
from anuma_dash.workflows import Context, Kind

WAITING_FOR_PERSON = timedelta(days=14)


def note(tx: Session, actor: Actor, event: Event, row: OwnerRecovery, now: datetime, **fields: object) -> None:
    """Record what happened to a recovery."""
    fields = {"new_owner": row.new_owner_email, "recovery_id": row.id} | fields
    record(tx, actor, event, at=now, account_id=row.account_id, **fields)


def settle(row: OwnerRecovery, state: str, now: datetime, by: str, outcome: str = "") -> None:
    """End a recovery: nothing is left to do for it."""
    row.state, row.settled_at, row.settled_by_name, row.outcome = state, now, by, outcome
    workflows.finish(row)


def fail(tx: Session, row: OwnerRecovery, now: datetime, problem: str) -> None:
    """End a recovery that cannot be done, and record why."""
    settle(row, "failed", now, WORKER.name, problem)
    note(tx, WORKER, Event.OWNER_RECOVERY_FAILED, row, now, reason=problem)


def end_open_recovery(tx: Session, account_id: UUID, now: datetime, problem: str) -> None:
    """End the account's recovery, if one is under way, because of something that nobody of the account did."""
    row = open_recovery(tx, account_id, now)
    if row is not None:
        fail(tx, row, now, problem)


def end_lapsed(tx: Session, account_id: UUID, now: datetime) -> None:
    """Let the row of a recovery that nobody approved in time say so."""
    late = (OwnerRecovery.state == "asked", OwnerRecovery.asked_at < now - UNAPPROVED_LIFETIME)
    for row in tx.scalars(owned(OwnerRecovery, account_id).where(*late)):
        fail(tx, row, now, "nobody approved it in time")


def _stood_still(tx: Session, row: OwnerRecovery) -> str:
    """Why the delay does not count: its owners have to be able to stop a recovery for all of it."""
    since = approvals_of(tx, row.id)[-1].approved_at
    for suspension in suspensions_of(tx, row.account_id):
        if suspension.ended_at is None or suspension.ended_at >= since:
            return "the account was suspended meanwhile, so its owners could not see it"
    over = (AccountClosing.finished_at.is_(None), AccountClosing.finished_at >= since)
    if tx.scalar(owned(AccountClosing, row.account_id).where(or_(*over)).limit(1)) is not None:
        return "the account was being closed meanwhile, so its owners could not see it"
    return ""


def _step(context: Context, row_id: UUID, attempt: int) -> None:
    """Make the person an owner when the time has come, or find that it cannot be done any more."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account, _ = lock_recovery(tx, row_id)
        row = workflows.claim(tx, OwnerRecovery, row_id, attempt)
        if row is None or row.state != "scheduled" or row.effective_at is None:
            return
        if now < row.effective_at:
            workflows.wait(row, now, workflows.LONGEST_BACKOFF)
            return
        user, problem = _new_owner(tx, account, row)
        if user is not None:
            _make_owner(tx, context, account, row, user, now)
        elif problem or now >= row.effective_at + WAITING_FOR_PERSON:
            problem = problem or "nobody signed in with that verified address in time"
            fail(tx, row, now, problem)
        else:
            workflows.wait(row, now, workflows.LONGEST_BACKOFF)


def _new_owner(tx: Session, account: Account, row: OwnerRecovery) -> tuple[User | None, str]:
    """The person who is to become an owner, or why it cannot be; neither while nobody has signed in yet.

    An owner whose provider is lost bears the same address, as another user: owners are left out.
    """
    if account.halt:
        return None, f"the account is {account.halt}"
    if problem := _stood_still(tx, row):
        return None, problem
    owners = select(Membership.user_id).where(Membership.account_id == account.id, Membership.role == Role.OWNER.value)
    found = tx.scalars(
        select(User).where(
            func.lower(User.email) == row.new_owner_email,
            User.email_verified.is_(True),
            User.status == "active",
            User.id.not_in(owners),
        )
    ).all()
    # The database may fold more letters than those by which addresses are compared.
    found = [user for user in found if fold_address(user.email or "") == row.new_owner_email]
    if len(found) > 1:
        return None, "more than one person has that verified address"
    if found and staff_roles_of(tx, found[0].id):
        return None, "that person works for the service"
    return (found[0] if found else None), ""


def _make_owner(tx: Session, context: Context, account: Account, row: OwnerRecovery, user: User, now: datetime) -> None:
    membership = membership_of(tx, account.id, user.id)
    if membership is None:
        membership = Membership(account_id=account.id, user_id=user.id, role=Role.OWNER.value, created_at=now)
        tx.add(membership)
    membership.role = Role.OWNER.value
    settle(row, "done", now, WORKER.name)
    record(
        tx,
        WORKER,
        Event.OWNER_RECOVERY_DONE,
        at=now,
        account_id=account.id,
        member=user.name,
        member_id=user.id,
        recovery_id=row.id,
    )
    tell(tx, context, account, row, DONE, now, member=user.name)


OWNER_RECOVERY = Kind("owner_recovery", OwnerRecovery, _step)
