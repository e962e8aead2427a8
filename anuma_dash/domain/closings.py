"""Closing an account: asked for by an owner, to be undone for 14 days, then its stored content goes and it is closed.

The row is the truth. Its own times are kept once, when it is asked for, so that no clock counts the days again; the
sweep wakes it when one of them has come. Whoever moves it holds the account's row: an undoing and the end cannot both
win.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import mail, workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.domain.accounts import attempt_sync, request_sync
from anuma_dash.domain.acting import acting_now
from anuma_dash.domain.deletions import FINAL_STATES, Deletion, request_deletion
from anuma_dash.errors import Conflict, Invalid
from anuma_dash.gateway.schemas import DeletionScope
from anuma_dash.identity import (
    WORKER,
    Account,
    Actor,
    Membership,
    Permission,
    Role,
    User,
    lock_account,
)
from anuma_dash.mail import Letter
from anuma_dash.names import one_line
from anuma_dash.workflows import Context, Durable, Kind

UNDO_DAYS = 14
REMIND_BEFORE = timedelta(days=3)
LETTERS_LAST = timedelta(days=7)
DELETION_POLL = timedelta(seconds=2)
DELETION_AGAIN = timedelta(hours=1)
CATEGORY: Literal["all_content"] = "all_content"
OPEN_STATES = ("requested", "deleting")
"""States in which the account is on its way to be closed."""

CLOSING_REQUESTED = Letter(
    "closing_requested", "$account is to be closed", "mail/closing_requested.txt", "mail/closing_requested.html"
)
CLOSING_FOR_MEMBERS = Letter(
    "closing_for_members", "$account is to be closed", "mail/closing_for_members.txt", "mail/closing_for_members.html"
)
CLOSING_UNDONE = Letter(
    "closing_undone", "$account is not closed", "mail/closing_undone.txt", "mail/closing_undone.html"
)
CLOSING_SOON = Letter("closing_soon", "$account is closed soon", "mail/closing_soon.txt", "mail/closing_soon.html")
CLOSED_FOR_MEMBERS = Letter(
    "closed_for_members", "$account is closed", "mail/closed_for_members.txt", "mail/closed_for_members.html"
)
ACCOUNT_CLOSED = Letter("account_closed", "$account is closed", "mail/account_closed.txt", "mail/account_closed.html")


class AccountClosing(Owned, Durable, Base):
    """One closing of an account.

    `state` is requested (it can be undone until `closes_at`), deleting (the stored content is being deleted), closed,
    or undone. `due_at` is when something is to be done next: remind the owners, begin, ask for a failed deletion anew.
    """

    __tablename__ = "account_closings"
    __table_args__ = (CheckConstraint("state IN ('requested', 'deleting', 'closed', 'undone')", name="state"),)

    state: Mapped[str] = mapped_column(String(16), default="requested")
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_by_name: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime]
    closes_at: Mapped[datetime]
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    deletion_id: Mapped[UUID]
    reminded_at: Mapped[datetime | None]
    undone_by_name: Mapped[str] = mapped_column(String(200), default="")
    finished_at: Mapped[datetime | None]


def closing_of(tx: Session, account_id: UUID) -> AccountClosing | None:
    """The closing that is under way for an account, if any."""
    return tx.scalar(owned(AccountClosing, account_id).where(AccountClosing.state.in_(OPEN_STATES)).limit(1))


def closings_of(tx: Session, account_id: UUID) -> list[AccountClosing]:
    """Every closing that was asked for, the latest first."""
    return list(tx.scalars(owned(AccountClosing, account_id).order_by(AccountClosing.requested_at.desc())))


def request_closing(context: Context, actor: Actor, account_id: UUID, *, typed_name: str) -> AccountClosing:
    """Ask for an account to be closed: its keys stop as soon as the gateway confirms, which is tried at once.

    `typed_name` is the account's name, to show that this account is meant. Raises `NotAllowed`, `Invalid`, and
    `Conflict` if it is being closed already.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        acting.require(Permission.CLOSE_ACCOUNT)
        if account.status == "closed" or account.closes_at is not None:
            raise Conflict("This account is being closed already.")
        if one_line(typed_name) != account.name:
            raise Invalid(f"Type the account's name as it stands here: {account.name}", field="name")
        account.closes_at = now + timedelta(days=UNDO_DAYS)
        closing = AccountClosing(
            id=new_id(),
            account_id=account_id,
            state="requested",
            requested_by=actor.user_id,
            requested_by_name=actor.name,
            requested_at=now,
            closes_at=account.closes_at,
            due_at=account.closes_at - REMIND_BEFORE,
            deletion_id=new_id(),
            next_try_at=None,
        )
        tx.add(closing)
        record(
            tx,
            acting,
            Event.CLOSING_REQUESTED,
            at=now,
            account_id=account_id,
            closes_at=closing.closes_at,
            closing_id=closing.id,
        )
        sync = request_sync(tx, account, now)
        _write_of_request(context, tx, account, closing, now)
    attempt_sync(context, sync)
    return closing


def undo_closing(context: Context, actor: Actor, account_id: UUID) -> AccountClosing:
    """Stop the closing of an account. No key works again by this.

    Raises `NotAllowed`, and `Conflict` if it is not being closed, or the time to undo it is over.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        acting.require(Permission.CLOSE_ACCOUNT)
        closing = closing_of(tx, account_id)
        if closing is None:
            raise Conflict("This account is not being closed.")
        if closing.state != "requested" or now >= closing.closes_at:
            raise Conflict("The time to undo this is over: the stored content is being deleted.")
        account.closes_at = None
        give_up(closing, actor.name, now)
        record(tx, acting, Event.CLOSING_UNDONE, at=now, account_id=account_id, closing_id=closing.id)
        sync = request_sync(tx, account, now)
        people = [one for owners in (True, False) for one in _people(tx, account_id, owners=owners)]
        _write_to(context, tx, account, people, CLOSING_UNDONE, closing, now)
    attempt_sync(context, sync)
    return closing


def give_up(closing: AccountClosing, name: str, now: datetime, state: str = "undone") -> None:
    """Mark a closing as undone by somebody, or as closed without us."""
    closing.state, closing.undone_by_name, closing.finished_at, closing.due_at = state, name, now, None
    workflows.finish(closing)


def wake_closings(tx: Session, now: datetime) -> None:
    """Let those closings be worked on whose next moment has come."""
    due = (
        AccountClosing.state.in_(OPEN_STATES),
        AccountClosing.due_at <= now,
        AccountClosing.next_try_at.is_(None),
    )
    tx.execute(update(AccountClosing).where(*due).values(next_try_at=now))


def advance_closing(context: Context, closing_id: UUID, attempt: int) -> None:
    """One step: remind the owners, begin the deletion, or note that it is verified and close. Doing it twice does it
    once."""
    if not _begin(context, closing_id, attempt):
        return
    with context.db.reading() as tx:
        closing = tx.get_one(AccountClosing, closing_id)
        deletion = tx.get(Deletion, closing.deletion_id)
    if deletion is None:
        scope = DeletionScope(category=CATEGORY)
        deleter = Actor(kind="worker", name=WORKER.name, permissions=frozenset({Permission.DELETE_CONTENT}))
        deletion = request_deletion(context, deleter, closing.account_id, scope, count=None, token=closing.deletion_id)
    _end(context, closing, attempt, deletion)


def _begin(context: Context, closing_id: UUID, attempt: int) -> bool:
    """Whether the time to undo is over, and this attempt goes on to delete."""
    now = context.clock()
    with context.db.reading() as tx:
        known = tx.get(AccountClosing, closing_id)
    if known is None:
        return False
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, known.account_id)
        closing = workflows.claim(tx, AccountClosing, closing_id, attempt)
        if closing is None or closing.state not in OPEN_STATES:
            return False
        if closing.state == "deleting":
            return True
        if now < closing.closes_at:
            _remind(context, tx, account, closing, now)
            workflows.finish(closing)
            return False
        closing.state = "deleting"
        record(
            tx,
            WORKER,
            Event.CLOSING_BEGUN,
            at=now,
            account_id=account.id,
            closing_id=closing.id,
            deletion_id=closing.deletion_id,
        )
    return True


def _remind(context: Context, tx: Session, account: Account, closing: AccountClosing, now: datetime) -> None:
    closing.due_at = closing.closes_at
    if closing.reminded_at is None and now >= closing.closes_at - REMIND_BEFORE:
        closing.reminded_at = now
        _write_to(context, tx, account, _people(tx, account.id, owners=True), CLOSING_SOON, closing, now)


def _end(context: Context, closing: AccountClosing, attempt: int, deletion: Deletion) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, closing.account_id)
        row = workflows.claim(tx, AccountClosing, closing.id, attempt)
        if row is None or row.deletion_id != deletion.id:
            return
        if deletion.state not in FINAL_STATES:
            workflows.wait(row, now, DELETION_POLL)
            return
        if deletion.state != "verified":
            # Asked for anew under another identifier, but not at once: what made it fail is still there.
            row.deletion_id, row.due_at = new_id(), now + DELETION_AGAIN
            workflows.finish(row)
            row.last_failure = "The deletion failed."
            return
        account.status, account.closes_at = "closed", None
        row.state, row.finished_at, row.due_at = "closed", now, None
        workflows.finish(row)
        record(
            tx,
            WORKER,
            Event.ACCOUNT_CLOSED,
            at=now,
            account_id=account.id,
            closing_id=row.id,
            deletion_id=deletion.id,
        )
        sync = request_sync(tx, account, now)
        _write_of_end(context, tx, account, row, deletion, now)
    attempt_sync(context, sync)


def _people(tx: Session, account_id: UUID, *, owners: bool) -> list[User]:
    role = Membership.role == Role.OWNER.value
    query = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id, Membership.on_hold_since.is_(None), role if owners else ~role)
    )
    return list(tx.scalars(query.order_by(User.id)))


def _write_of_request(context: Context, tx: Session, account: Account, closing: AccountClosing, now: datetime) -> None:
    for owners, letter in ((True, CLOSING_REQUESTED), (False, CLOSING_FOR_MEMBERS)):
        _write_to(context, tx, account, _people(tx, account.id, owners=owners), letter, closing, now)


def _write_of_end(
    context: Context, tx: Session, account: Account, closing: AccountClosing, deletion: Deletion, now: datetime
) -> None:
    report = deletion.result
    done = report.done if report else 0
    days = context.settings.activity_detail_days
    values = {
        "count": f"{done:,} stored {'item' if done == 1 else 'items'}",
        "deletion_id": str(deletion.id),
        "days": f"{days:,} {'day' if days == 1 else 'days'}",
        "backups": mail.utc_moment(report.backups_unreadable_by) if report else "seven days from now",
    }
    for owners, letter in ((True, ACCOUNT_CLOSED), (False, CLOSED_FOR_MEMBERS)):
        _write_to(context, tx, account, _people(tx, account.id, owners=owners), letter, closing, now, **values)


def _write_to(
    context: Context,
    tx: Session,
    account: Account,
    people: list[User],
    letter: Letter,
    closing: AccountClosing,
    now: datetime,
    **values: str,
) -> None:
    common = {
        "account": account.name,
        "person": closing.undone_by_name or closing.requested_by_name,
        "until": mail.utc_moment(closing.closes_at),
        "url": f"{context.settings.public_url}/account",
        "keys_url": f"{context.settings.public_url}/keys",
        "support_email": context.settings.support_email,
    }
    for user in people:
        if mail.reachable(user):
            mail.write(tx, context.settings, user, letter, common | values, now=now, until=now + LETTERS_LAST)


ACCOUNT_CLOSING = Kind("account_closing", AccountClosing, advance_closing, wake_closings)
