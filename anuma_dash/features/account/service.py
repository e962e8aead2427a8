"""What an account says of itself, new organizations, and what closing one would do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.domain.accounts import attempt_sync, create_account, request_sync, sync_account
from anuma_dash.domain.acting import acting_now
from anuma_dash.domain.closings import AccountClosing, closing_of
from anuma_dash.domain.deletions import Deletion
from anuma_dash.domain.suspensions import AccountSuspension, suspensions_of
from anuma_dash.errors import Conflict, GatewayError, GatewayRefused, Invalid, NotFound
from anuma_dash.features.account.models import OrganizationForm
from anuma_dash.gateway import schemas
from anuma_dash.identity import Account, Actor, Membership, Permission, Role, User, lock_account
from anuma_dash.mail import reachable
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.workflows import Context

DAY = timedelta(days=1)
MADE_PER_DAY = 10
"""Organizations that one person may make in a day."""
MOST_OWNED = 20
"""Organizations that one person may own at once."""
CHANGED_MEANWHILE = "Somebody changed the account since you opened this form. Nothing of yours was saved."


@dataclass(frozen=True)
class Facts:
    """What an account says of itself, as a person typed it. `country` is an ISO 3166-1 alpha-2 code, or empty."""

    name: str
    country: str
    contact_name: str
    contact_email: str


@dataclass(frozen=True)
class Standing:
    """An account with what is on its way: its closing, the deletion at the end of it, its suspensions."""

    account: Account
    closing: AccountClosing | None
    deletion: Deletion | None
    suspensions: list[AccountSuspension]


@dataclass(frozen=True)
class ClosingPreview:
    """What closing would do, in figures. None where nobody knows: `problem` says why, `credit` is None if none is kept.

    `members` counts the others, `unmailed` those of them whom no mail reaches; `only_account` says that the person
    would belong to no account.
    """

    members: int
    unmailed: int
    only_account: bool
    overview: schemas.Overview | None
    credit: schemas.Credit | None
    credit_known: bool
    problem: str


def read_account(tx: Session, actor: Actor, account_id: UUID) -> Standing:
    """The account as its page shows it. Raises `NotAllowed`."""
    actor.require(Permission.READ_ACCOUNT)
    closing = closing_of(tx, account_id)
    deletion = tx.get(Deletion, closing.deletion_id) if closing else None
    return Standing(tx.get_one(Account, account_id), closing, deletion, list(suspensions_of(tx, account_id)))


def change_account(context: Context, actor: Actor, account_id: UUID, facts: Facts, *, revision: int) -> Account:
    """Change what an account says of itself, and tell the gateway if its name changed.

    `revision` is the account's when the form was opened. Returns the account as it stands after the first try to tell
    the gateway. Raises `NotAllowed`, and `Conflict` if somebody else changed it meanwhile.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        acting.require(Permission.CHANGE_ACCOUNT)
        if account.revision != revision:
            raise Conflict(CHANGED_MEANWHILE)
        sync = None
        if account.name != facts.name:
            record(tx, acting, Event.ACCOUNT_RENAMED, at=now, account_id=account_id, old=account.name, new=facts.name)
            account.name = facts.name
            sync = request_sync(tx, account, now)
        elif _changes(account, facts):
            # The gateway need not know it, but another form that is open must not undo it.
            account.revision += 1
        for what in _changes(account, facts):
            record(tx, acting, Event.ACCOUNT_CHANGED, at=now, account_id=account_id, what=what)
        account.country = facts.country
        account.contact_name, account.contact_email = facts.contact_name, facts.contact_email
    if sync is not None:
        attempt_sync(context, sync)
    with context.db.reading() as tx:
        return tx.get_one(Account, account_id)


def _changes(account: Account, facts: Facts) -> list[str]:
    contact = (account.contact_name, account.contact_email) != (facts.contact_name, facts.contact_email)
    return ["country"] * (account.country != facts.country) + ["billing contact"] * contact


def create_organization(context: Context, actor: Actor, token: UUID, facts: Facts) -> Account:
    """Create an organization whose owner is the actor, and let their session look at it from now on.

    The same `token` of the same person makes one organization, however often it is sent. Raises `NotFound` if that
    one is theirs no more, and `Invalid` if they made or own too many.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        # The person's row is the lock: the same form sent twice at once makes one.
        owner = tx.scalars(select(User).where(User.id == actor.user_id).with_for_update()).one()
        sent = (OrganizationForm.user_id == owner.id, OrganizationForm.token == token)
        earlier = tx.scalar(select(OrganizationForm.account_id).where(*sent))
        if earlier is None:
            _require_room(tx, owner.id, now)
            contact = (facts.contact_name, facts.contact_email)
            account = create_account(
                tx, actor, owner, facts.name, "organization", now, country=facts.country, contact=contact
            )
            tx.add(OrganizationForm(account_id=account.id, user_id=owner.id, token=token, sent_at=now))
        else:
            account = tx.get_one(Account, earlier)
            if not _count(tx, Membership.account_id == earlier, *_owned_by(owner.id)):
                raise NotFound("There is no such form.")
        tx.get_one(BrowserSession, actor.session_id).account_id = account.id
    with suppress(GatewayError):
        sync_account(context, account.id)
    return account


def _require_room(tx: Session, user_id: UUID, now: datetime) -> None:
    recent = (OrganizationForm.user_id == user_id, OrganizationForm.sent_at > now - DAY)
    if (tx.scalar(select(func.count()).select_from(OrganizationForm).where(*recent)) or 0) >= MADE_PER_DAY:
        raise Invalid(f"You made {MADE_PER_DAY} organizations in the last 24 hours. Go on tomorrow.", field="name")
    owned_ones = (*_owned_by(user_id), Account.kind == "organization", Account.status != "closed")
    if _count(tx, *owned_ones) >= MOST_OWNED:
        raise Invalid(f"Nobody owns more than {MOST_OWNED} organizations. Close one, or leave it, first.", field="name")


def _owned_by(user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (Membership.user_id == user_id, Membership.role == Role.OWNER.value)


def preview_closing(context: Context, actor: Actor, account_id: UUID) -> ClosingPreview:
    """What closing the account would do. Raises `NotAllowed`."""
    actor.require(Permission.CLOSE_ACCOUNT)
    with context.db.reading() as tx:
        others = _others(tx, account_id, actor)
        mine = _count(tx, Membership.user_id == actor.user_id, Account.status != "closed")
    overview, credit, credit_known, problem = None, None, False, ""
    try:
        overview = context.gateway.overview(actor, account_id)
        credit, credit_known = _credit(context, actor, account_id), True
    except GatewayError as error:
        problem = str(error)
    unmailed = sum(not reachable(user) for user in others)
    return ClosingPreview(len(others), unmailed, mine == 1, overview, credit, credit_known, problem)


def _others(tx: Session, account_id: UUID, actor: Actor) -> Sequence[User]:
    query = select(User).join(Membership, Membership.user_id == User.id)
    return tx.scalars(query.where(Membership.account_id == account_id, User.id != actor.user_id)).all()


def _count(tx: Session, *where: object) -> int:
    query = select(func.count()).select_from(Membership).join(Account, Account.id == Membership.account_id)
    return tx.scalar(query.where(*where)) or 0  # type: ignore[arg-type]


def _credit(context: Context, actor: Actor, account_id: UUID) -> schemas.Credit | None:
    try:
        return context.gateway.credit(actor, account_id)
    except GatewayRefused as error:
        if error.status == 404:
            return None
        raise


def days_left(closes_at: datetime, now: datetime) -> int:
    """Whole days until an account closes; 0 on the last one."""
    return max(0, (closes_at - now).days)
