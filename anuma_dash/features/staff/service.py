"""Finding an account, four ways: each search is recorded, and a result is its name, status and grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.domain.support import SupportGrant
from anuma_dash.errors import GatewayError
from anuma_dash.identity import Account, Actor, Membership, StaffRole, User, find_account
from anuma_dash.names import fold_address
from anuma_dash.workflows import Context

MOST_FOUND = 50
MOST_GRANTS = 500
SEARCHED_BY_NAME = 100_000
"""Names are looked for in so many accounts, the newest: a part of a name has no index."""
SEARCHERS = (StaffRole.SUPPORT, StaffRole.ADMINISTRATOR)
KIND_WORDS = {"email": "e-mail address", "name": "name", "id": "account ID", "key": "the last four of a key"}


@dataclass(frozen=True)
class AccountSeen:
    """What staff see of an account before its owner lets them in."""

    id: UUID
    name: str
    status: str
    grants: str = ""


@dataclass(frozen=True)
class Found:
    """What a search found; `more` if that is not all."""

    accounts: Sequence[AccountSeen]
    more: bool = False


def search_accounts(context: Context, actor: Actor, by: str, term: str) -> Found:
    """Look for accounts by "email", "name", "id" or "key" (its last four), and record that somebody did.

    Raises `NotAllowed`; `GatewayError` if keys cannot be asked for, which is recorded too.
    """
    actor.require_staff(*SEARCHERS)
    owners, more = [], False
    if by == "key":
        try:
            answer = context.gateway.key_owners(actor, term)
        except GatewayError:
            with context.db.transaction(durable=True) as tx:
                _record(tx, context, actor, by, term, None)
            raise
        owners, more = answer.account_ids, answer.more
    with context.db.transaction(durable=True) as tx:
        rows = list(tx.scalars(_query(by, term, owners).order_by(Account.id.desc()).limit(MOST_FOUND + 1)))
        found = Found(_all_seen(tx, rows[:MOST_FOUND], context.clock()), more or len(rows) > MOST_FOUND)
        _record(tx, context, actor, by, term, found)
    return found


def _query(by: str, term: str, owners: Sequence[UUID]) -> Select[Account]:
    if by == "email":
        addresses = {term, fold_address(term)}
        members = (
            select(Membership.account_id)
            .join(User, User.id == Membership.user_id)
            .where(User.email.in_(addresses), User.email_verified)
        )
        return select(Account).where(or_(Account.id.in_(members), Account.contact_email.in_(addresses)))
    if by == "name":
        newest = select(Account.id).order_by(Account.id.desc()).limit(SEARCHED_BY_NAME).scalar_subquery()
        return select(Account).where(
            func.lower(Account.name).contains(term.lower(), autoescape=True), Account.id.in_(newest)
        )
    return select(Account).where(Account.id.in_([UUID(term)] if by == "id" else owners))


def _all_seen(tx: Session, accounts: Sequence[Account], now: datetime) -> list[AccountSeen]:
    open_ones = select(SupportGrant).where(
        SupportGrant.account_id.in_([account.id for account in accounts]), SupportGrant.state.in_(("asked", "live"))
    )
    states: dict[UUID, list[str]] = {}
    for grant in tx.scalars(open_ones.limit(MOST_GRANTS)):
        states.setdefault(grant.account_id, []).append(grant.status(now))
    return [_seen(account, states.get(account.id, [])) for account in accounts]


def _seen(account: Account, states: Sequence[str]) -> AccountSeen:
    counted = [f"{states.count(state)} {state}" for state in ("live", "asked") if state in states]
    status = account.halt or account.status
    return AccountSeen(account.id, account.name, status, ", ".join(counted))


def _record(tx: Session, context: Context, actor: Actor, by: str, term: str, found: Found | None) -> None:
    record(
        tx,
        actor,
        Event.STAFF_SEARCHED,
        at=context.clock(),
        account_id=None,
        kind=KIND_WORDS[by],
        term=_shortened(term) if by == "email" else term,
        count=len(found.accounts) if found else None,
        account_ids=[str(one.id) for one in found.accounts] if found else [],
    )


def _shortened(address: str) -> str:
    # Enough to see what was looked for; the address itself is kept nowhere (decision 038).
    name, _, domain = address.rpartition("@")
    return f"{name[:1]}…@{domain}"


def find_seen(context: Context, actor: Actor, account_id: UUID) -> AccountSeen:
    """One account, as staff see it. Raises `NotAllowed` and `NotFound`."""
    actor.require_staff(*SEARCHERS)
    with context.db.reading() as tx:
        return _all_seen(tx, [find_account(tx, account_id)], context.clock())[0]
