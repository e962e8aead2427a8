"""Suspension by staff: a named person, a reason that the customer reads, and a way to contest it.

A suspended account's keys stop at the gateway, and are said to have stopped only when it confirms. Ending the
suspension brings no key back: people activate each of them again. A suspended person's sessions end at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, ForeignKey, String, Uuid, column, select, table, update
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from anuma_dash import mail
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, UTCDateTime, new_id, owned
from anuma_dash.domain.accounts import attempt_sync, request_sync
from anuma_dash.domain.acting import staff_now
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.identity import (
    Account,
    Actor,
    Membership,
    Role,
    StaffRole,
    User,
    lock_account,
    memberships_of,
    staff_roles_of,
)
from anuma_dash.mail import Letter
from anuma_dash.names import one_line
from anuma_dash.workflows import Context

SHORTEST_REASON = 20
LONGEST_REASON = 1000
LONGEST_CONTEST = 320
LETTERS_LAST = timedelta(days=7)

ACCOUNT_SUSPENDED = Letter(
    "account_suspended", "$account is suspended", "mail/account_suspended.txt", "mail/account_suspended.html"
)
ACCOUNT_UNSUSPENDED = Letter(
    "account_unsuspended",
    "The suspension of $account has ended",
    "mail/account_unsuspended.txt",
    "mail/account_unsuspended.html",
)
PERSON_SUSPENDED = Letter(
    "person_suspended", "You are suspended at Anuma", "mail/person_suspended.txt", "mail/person_suspended.html"
)
PERSON_UNSUSPENDED = Letter(
    "person_unsuspended", "You may sign in again", "mail/person_unsuspended.txt", "mail/person_unsuspended.html"
)

# The sessions belong to the layer above; here they only end.
_SESSIONS = table("sessions", column("user_id", Uuid()), column("ended_at", UTCDateTime()))


class _Suspension:
    """What both kinds hold: the reason, how to contest it, who decided when, and who ended it."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    contest: Mapped[str] = mapped_column(String(LONGEST_CONTEST))
    by_name: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by_name: Mapped[str] = mapped_column(String(200), default="")

    @declared_attr
    def by_id(cls) -> Mapped[UUID | None]:
        """The member of staff who decided; None for an operator at the command line."""
        return mapped_column(ForeignKey("users.id"))

    @declared_attr
    def ended_by_id(cls) -> Mapped[UUID | None]:
        """The member of staff who ended it."""
        return mapped_column(ForeignKey("users.id"))


class AccountSuspension(_Suspension, Owned, Base):
    """One suspension of an account, under way while `ended_at` is None."""

    __tablename__ = "account_suspensions"


class PersonSuspension(_Suspension, Base):
    """One suspension of a person, with the number of sessions that it ended."""

    __tablename__ = "person_suspensions"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    sessions_ended: Mapped[int]


def suspension_of(tx: Session, account_id: UUID) -> AccountSuspension | None:
    """The suspension that an account is under; None if it is not suspended."""
    query = owned(AccountSuspension, account_id).where(AccountSuspension.ended_at.is_(None))
    return tx.scalar(query.order_by(AccountSuspension.at.desc()).limit(1))


def suspensions_of(tx: Session, account_id: UUID) -> Sequence[AccountSuspension]:
    """Every suspension of an account, the latest first."""
    return tx.scalars(owned(AccountSuspension, account_id).order_by(AccountSuspension.at.desc())).all()


def person_suspension_of(tx: Session, user_id: UUID) -> PersonSuspension | None:
    """The suspension that a person is under; None if they are not suspended."""
    mine = (PersonSuspension.user_id == user_id, PersonSuspension.ended_at.is_(None))
    return tx.scalar(select(PersonSuspension).where(*mine).order_by(PersonSuspension.at.desc()).limit(1))


def suspend_account(context: Context, actor: Actor, account_id: UUID, *, reason: str, contest: str) -> Account:
    """Suspend an account: its keys stop as soon as the gateway confirms, which is tried at once.

    `reason` (20 to 1000 characters) is what the customer reads, `contest` where to write against it. Returns the
    account as it stands after the first try; `gateway_status_at` says since when the gateway obeys. Raises
    `NotAllowed`, `NotFound`, `Invalid`, `Conflict` if it is suspended or closed already.
    """
    reason, contest, now = checked_reason(reason), _checked_contest(contest), context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        staff = _staff(tx, actor)
        _refuse_own(tx, actor, account_id)
        if account.status != "active":
            raise Conflict(f"This account is {account.status} already.")
        account.status = "suspended"
        row = AccountSuspension(id=new_id(), account_id=account_id, **_decided(actor, reason, contest, now))
        tx.add(row)
        record(
            tx,
            staff,
            Event.ACCOUNT_SUSPENDED,
            at=now,
            account_id=account_id,
            reason=reason,
            contest=contest,
            suspension_id=row.id,
        )
        sync = request_sync(tx, account, now)
        _write_to_owners(context, tx, account, ACCOUNT_SUSPENDED, {"reason": reason, "contest": contest}, now)
    attempt_sync(context, sync)
    return _reread(context, account_id)


def unsuspend_account(context: Context, actor: Actor, account_id: UUID) -> Account:
    """End the suspension of an account. No key works again by this.

    Returns the account as it stands after the first try to tell the gateway. Raises `NotAllowed`, `NotFound`,
    `Conflict` if it is not suspended.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        staff = _staff(tx, actor)
        _refuse_own(tx, actor, account_id)
        row = suspension_of(tx, account_id)
        if account.status != "suspended" or row is None:
            raise Conflict("This account is not suspended.")
        account.status = "active"
        _end(row, actor, now)
        record(tx, staff, Event.ACCOUNT_UNSUSPENDED, at=now, account_id=account_id, suspension_id=row.id)
        sync = request_sync(tx, account, now)
        values = {"keys_url": f"{context.settings.public_url}/keys"}
        _write_to_owners(context, tx, account, ACCOUNT_UNSUSPENDED, values, now)
    attempt_sync(context, sync)
    return _reread(context, account_id)


def suspend_person(context: Context, actor: Actor, user_id: UUID, *, reason: str) -> PersonSuspension:
    """Suspend a person: their sessions end at once, for good, and they cannot sign in. Their keys stay.

    The reason (20 to 1000 characters) is mailed to them. Raises `NotAllowed` (oneself, staff), `NotFound`, `Invalid`,
    `Conflict` if they are suspended already.
    """
    reason, now = checked_reason(reason), context.clock()
    with context.db.transaction(durable=True) as tx:
        user = _lock_person(tx, user_id)
        staff = _staff(tx, actor)
        _refuse_person(tx, actor, user)
        if user.status != "active":
            raise Conflict("This person is suspended already.")
        user.status = "suspended"
        row = PersonSuspension(
            id=new_id(),
            user_id=user_id,
            sessions_ended=_end_sessions(tx, user_id, now),
            **_decided(actor, reason, context.settings.support_email, now),
        )
        tx.add(row)
        _record_person(tx, staff, Event.PERSON_SUSPENDED, user, row, now, count=row.sessions_ended)
        _write(context, tx, user, PERSON_SUSPENDED, {"reason": reason, "contest": row.contest}, now)
    return row


def unsuspend_person(context: Context, actor: Actor, user_id: UUID) -> PersonSuspension:
    """Let a person sign in again. Raises `NotAllowed`, `NotFound`, `Conflict` if they are not suspended."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        user = _lock_person(tx, user_id)
        staff = _staff(tx, actor)
        _refuse_person(tx, actor, user)
        row = person_suspension_of(tx, user_id)
        if user.status != "suspended" or row is None:
            raise Conflict("This person is not suspended.")
        # A sign-in under way may have begun a session after the others were ended: it must not live again by this.
        _end_sessions(tx, user_id, now)
        user.status = "active"
        _end(row, actor, now)
        _record_person(tx, staff, Event.PERSON_UNSUSPENDED, user, row, now)
        _write(context, tx, user, PERSON_UNSUSPENDED, {"sign_in_url": f"{context.settings.public_url}/sign-in"}, now)
    return row


def _end_sessions(tx: Session, user_id: UUID, now: datetime) -> int:
    alive = (_SESSIONS.c.user_id == user_id, _SESSIONS.c.ended_at.is_(None))
    ended = tx.execute(update(_SESSIONS).where(*alive).values(ended_at=now))
    return cast(CursorResult[Any], ended).rowcount


def checked_reason(reason: str) -> str:
    """The reason as one paragraph. Raises `Invalid`."""
    reason = one_line(reason)
    if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
        raise Invalid(
            f"Give a reason of {SHORTEST_REASON} to {LONGEST_REASON:,} characters. The customer reads it.",
            field="reason",
        )
    return reason


def _checked_contest(contest: str) -> str:
    contest = contest.strip()
    if not mail.mailable(contest):
        raise Invalid("Give the e-mail address to which the customer can write.", field="contest")
    return contest


def _staff(tx: Session, actor: Actor) -> Actor:
    """The actor as staff, as they are now. Raises `NotAllowed`."""
    return actor if actor.kind == "operator" else staff_now(tx, actor, StaffRole.ADMINISTRATOR)


def _refuse_own(tx: Session, actor: Actor, account_id: UUID) -> None:
    mine = (Membership.account_id == account_id, Membership.user_id == actor.user_id)
    if actor.user_id is not None and tx.scalar(select(Membership.id).where(*mine)) is not None:
        raise NotAllowed("You belong to this account. Another administrator has to decide.")


def _lock_person(tx: Session, user_id: UUID) -> User:
    user = tx.scalar(select(User).where(User.id == user_id).with_for_update())
    if user is None:
        raise NotFound("There is no such person.")
    return user


def _refuse_person(tx: Session, actor: Actor, user: User) -> None:
    if user.id == actor.user_id:
        raise NotAllowed("Nobody suspends themselves.")
    if user.status == "active" and staff_roles_of(tx, user.id):
        raise NotAllowed("This person works for the service. Take away their staff roles first.")


def _decided(actor: Actor, reason: str, contest: str, now: datetime) -> dict[str, Any]:
    return {"reason": reason, "contest": contest, "by_id": actor.user_id, "by_name": actor.name, "at": now}


def _end(row: _Suspension, actor: Actor, now: datetime) -> None:
    row.ended_at, row.ended_by_name = now, actor.name
    row.ended_by_id = actor.user_id


def _record_person(
    tx: Session, staff: Actor, event: Event, user: User, row: PersonSuspension, now: datetime, **fields: object
) -> None:
    common = {"person": user.name, "person_id": user.id, "suspension_id": row.id, **fields}
    record(tx, staff, event, at=now, account_id=None, **common)
    for account, _ in memberships_of(tx, user.id):
        record(tx, staff, event, at=now, account_id=account.id, **common)


def owners_of(tx: Session, account: Account) -> list[tuple[User, Role]]:
    """The owners of the account, to whom letters about its suspension go, as far as mail reaches."""
    owner = (Membership.account_id == account.id, Membership.role == Role.OWNER.value)
    query = select(User).join(Membership, Membership.user_id == User.id).where(*owner)
    return [(user, Role.OWNER) for user in tx.scalars(query.order_by(User.id))]


def _write_to_owners(
    context: Context, tx: Session, account: Account, letter: Letter, values: dict[str, str], now: datetime
) -> None:
    for owner, _ in owners_of(tx, account):
        _write(context, tx, owner, letter, {"account": account.name, **values}, now)


def _write(context: Context, tx: Session, user: User, letter: Letter, values: dict[str, str], now: datetime) -> None:
    if mail.reachable(user):
        mail.write(tx, context.settings, user, letter, values, now=now, until=now + LETTERS_LAST)


def _reread(context: Context, account_id: UUID) -> Account:
    with context.db.reading() as tx:
        return tx.get_one(Account, account_id)
