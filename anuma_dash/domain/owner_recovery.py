"""Giving an account an owner again, when its owners cannot sign in any more (their identity provider is lost).

Never by one person: staff ask, two administrators who did not ask approve, everybody known to the account is written
to at once, and a delay passes in which any owner or admin can stop it. Only then a person with that verified address
becomes an owner, beside those who are.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import mail, workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.domain.closings import AccountClosing
from anuma_dash.domain.staff import require_tenure
from anuma_dash.domain.suspensions import suspensions_of
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.identity import (
    WORKER,
    Account,
    Actor,
    Membership,
    Permission,
    Role,
    StaffRole,
    User,
    lock_account,
    membership_of,
    staff_roles_of,
)
from anuma_dash.mail import Letter
from anuma_dash.names import fold_address, one_line
from anuma_dash.workflows import Context, Durable, Kind

APPROVALS = 2
UNAPPROVED_LIFETIME = timedelta(days=7)
WAITING_FOR_PERSON = timedelta(days=14)
LONGEST_REASON = 500
LONGEST_TICKET = 60

NOTICE = Letter(
    "owner_recovery_notice",
    "An owner is about to be added to $account",
    "mail/owner_recovery_notice.txt",
    "mail/owner_recovery_notice.html",
)
STOPPED = Letter(
    "owner_recovery_stopped",
    "No owner is added to $account",
    "mail/owner_recovery_stopped.txt",
    "mail/owner_recovery_stopped.html",
)
DONE = Letter(
    "owner_recovery_done",
    "$member is now an owner of $account",
    "mail/owner_recovery_done.txt",
    "mail/owner_recovery_done.html",
)


class OwnerRecovery(Owned, Durable, Base):
    """That staff were asked to make the person with an address an owner.

    `state` is asked (approvals are missing), scheduled (approved by two; `effective_at` is when it comes into effect),
    done, stopped (by somebody of the account, or staff), failed (`outcome` says why).
    """

    __tablename__ = "owner_recoveries"
    __table_args__ = (CheckConstraint("state IN ('asked', 'scheduled', 'done', 'stopped', 'failed')", name="state"),)

    new_owner_email: Mapped[str] = mapped_column(String(320))
    reason: Mapped[str] = mapped_column(String(500))
    ticket: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(16), default="asked")
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_by_name: Mapped[str] = mapped_column(String(200))
    asked_at: Mapped[datetime]
    effective_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    settled_by_name: Mapped[str] = mapped_column(String(200), default="")
    outcome: Mapped[str] = mapped_column(String(300), default="")


class OwnerRecoveryApproval(Base):
    """One administrator's word for a recovery."""

    __tablename__ = "owner_recovery_approvals"
    __table_args__ = (UniqueConstraint("recovery_id", "approved_by"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    recovery_id: Mapped[UUID] = mapped_column(ForeignKey("owner_recoveries.id"), index=True)
    approved_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    approved_by_name: Mapped[str] = mapped_column(String(200))
    approved_at: Mapped[datetime]


def open_recovery(tx: Session, account_id: UUID) -> OwnerRecovery | None:
    """The account's recovery that is asked for or scheduled, if any. An account has one at most."""
    return tx.scalar(owned(OwnerRecovery, account_id).where(OwnerRecovery.state.in_(("asked", "scheduled"))))


def end_open_recovery(tx: Session, account_id: UUID, now: datetime, problem: str) -> None:
    """End the account's recovery, if one is under way, because of something that nobody of the account did."""
    row = open_recovery(tx, account_id)
    if row is not None:
        _fail(tx, row, now, problem)


def recoveries(tx: Session, limit: int = 50) -> list[OwnerRecovery]:
    """The latest recoveries of every account, newest first: for staff pages."""
    return list(tx.scalars(select(OwnerRecovery).order_by(OwnerRecovery.id.desc()).limit(limit)))


def approvals_of(tx: Session, recovery_id: UUID) -> list[OwnerRecoveryApproval]:
    """Who approved a recovery, first the first."""
    query = select(OwnerRecoveryApproval).where(OwnerRecoveryApproval.recovery_id == recovery_id)
    return list(tx.scalars(query.order_by(OwnerRecoveryApproval.id)))


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
        staff = _staff(tx, actor, account_id, StaffRole.SUPPORT, StaffRole.ADMINISTRATOR)
        _active(lock_account(tx, account_id))
        earlier = open_recovery(tx, account_id)
        if earlier is not None and earlier.state == "asked" and now - earlier.asked_at > UNAPPROVED_LIFETIME:
            _fail(tx, earlier, now, "nobody approved it in time")
        elif earlier is not None:
            raise Conflict("A recovery of this account is under way already.")
        row = OwnerRecovery(id=new_id(), account_id=account_id, new_owner_email=email, reason=reason, ticket=ticket)
        assert actor.user_id is not None
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
    held = staff_roles_of(tx, actor.user_id) if actor.user_id else frozenset()
    replace(actor, staff_roles=held).require_staff(*roles)
    if membership_of(tx, account_id, actor.user_id) is not None:
        raise NotAllowed("You belong to this account, so somebody else has to look after it.")
    return replace(actor, kind="staff")


def _active(account: Account) -> None:
    if account.status != "active":
        raise Conflict(f"The account is {account.status}. Nobody becomes an owner of it.")


def _locked(tx: Session, recovery_id: UUID) -> tuple[Account, OwnerRecovery]:
    """The account, then the recovery, both locked: in this order everywhere."""
    account_id = tx.scalar(select(OwnerRecovery.account_id).where(OwnerRecovery.id == recovery_id))
    if account_id is None:
        raise NotFound("There is no such recovery.")
    account = lock_account(tx, account_id)
    row = tx.get_one(OwnerRecovery, recovery_id, with_for_update=True, populate_existing=True)
    return account, row


def approve_recovery(context: Context, actor: Actor, recovery_id: UUID) -> OwnerRecovery:
    """Approve a recovery as an administrator of the service; the second approval starts the delay and the notices.

    Raises `NotAllowed` for the one who asked or has approved already, `NotFound`, `Conflict`.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account, row = _locked(tx, recovery_id)
        staff = _staff(tx, actor, account.id, StaffRole.ADMINISTRATOR)
        _active(account)
        given = approvals_of(tx, row.id)
        if row.asked_by == actor.user_id or actor.user_id in {one.approved_by for one in given}:
            raise NotAllowed("Two administrators have to approve, neither of them the one who asked.")
        require_tenure(tx, context.settings, actor, row.asked_at)
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
        _note(tx, staff, Event.OWNER_RECOVERY_APPROVED, row, now, number=len(given) + 1)
        if len(given) + 1 == APPROVALS:
            _schedule(tx, context, staff, account, row, now)
    return row


def _note(tx: Session, actor: Actor, event: Event, row: OwnerRecovery, now: datetime, **fields: object) -> None:
    fields = {"new_owner": row.new_owner_email, "recovery_id": row.id} | fields
    record(tx, actor, event, at=now, account_id=row.account_id, **fields)


def _schedule(tx: Session, context: Context, staff: Actor, account: Account, row: OwnerRecovery, now: datetime) -> None:
    row.state = "scheduled"
    row.effective_at = now + timedelta(hours=context.settings.owner_recovery_delay_hours)
    row.next_try_at = now
    told = _tell(tx, context, account, row, NOTICE, now)
    _note(tx, staff, Event.OWNER_RECOVERY_SCHEDULED, row, now, effective_at=row.effective_at, count=told)


def stoppers(tx: Session, account: Account) -> list[tuple[User, Role]]:
    """The owners and admins of the account, each with their role: they hear of a recovery, and can stop it."""
    rows = tx.execute(
        select(User, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account.id, Membership.role.in_((Role.OWNER.value, Role.ADMIN.value)))
    )
    return [(user, Role(role)) for user, role in rows]


def known_addresses(tx: Session, account: Account, row: OwnerRecovery) -> set[str]:
    """Every address that is to hear of a recovery: of owners and admins, of the contact, and the new one."""
    emails = [user.email for user, _ in stoppers(tx, account) if mail.reachable(user)]
    candidates = [*emails, account.contact_email, row.new_owner_email]
    return {fold_address(email) for email in candidates if email and mail.mailable(email)}


def _tell(
    tx: Session,
    context: Context,
    account: Account,
    row: OwnerRecovery,
    letter: Letter,
    now: datetime,
    **values: str,
) -> int:
    assert row.effective_at is not None
    filled = {
        "account": account.name,
        "new_owner": row.new_owner_email,
        "reason": row.reason,
        "effective_at": mail.utc_moment(row.effective_at),
        "url": f"{context.settings.public_url}/people",
        "support_email": context.settings.support_email,
        **values,
    }
    addresses = known_addresses(tx, account, row)
    until = max(row.effective_at, now + timedelta(days=3))
    for address in sorted(addresses):
        mail.write_to(tx, context.settings, address, letter, filled, now=now, until=until)
    return len(addresses)


def stop_recovery(context: Context, actor: Actor, account_id: UUID, recovery_id: UUID) -> OwnerRecovery:
    """Stop a recovery before it is in effect: owners and admins of the account may, in whatever state it is, and
    administrators of the service.

    Raises `NotAllowed`, `NotFound`, and `Conflict` if it is not under way any more.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account, row = _locked(tx, recovery_id)
        if account.id != account_id:
            raise NotFound("There is no such recovery.")
        if actor.account_id == account_id and actor.kind == "user":
            actor.require(Permission.STOP_RECOVERY)
            stopping = actor
        else:
            stopping = _staff(tx, actor, account_id, StaffRole.ADMINISTRATOR)
        if row.state not in ("asked", "scheduled"):
            raise Conflict("This recovery is not under way any more.")
        scheduled = row.state == "scheduled"
        _settle(row, "stopped", now, stopping.name)
        _note(tx, stopping, Event.OWNER_RECOVERY_STOPPED, row, now)
        if scheduled:
            _tell(tx, context, account, row, STOPPED, now, stopped_by=stopping.name)
    return row


def _settle(row: OwnerRecovery, state: str, now: datetime, by: str, outcome: str = "") -> None:
    row.state, row.settled_at, row.settled_by_name, row.outcome = state, now, by, outcome
    workflows.finish(row)


def _fail(tx: Session, row: OwnerRecovery, now: datetime, problem: str) -> None:
    _settle(row, "failed", now, WORKER.name, problem)
    _note(tx, WORKER, Event.OWNER_RECOVERY_FAILED, row, now, reason=problem)


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
        account, _ = _locked(tx, row_id)
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
            _fail(tx, row, now, problem)
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
    _settle(row, "done", now, WORKER.name)
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
    _tell(tx, context, account, row, DONE, now, member=user.name)


OWNER_RECOVERY = Kind("owner_recovery", OwnerRecovery, _step)
