"""What staff see of one account: its name and status, who may look into it, and what else is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.domain import support
from anuma_dash.domain.owner_recovery import OwnerRecovery, approvals_of, open_recovery
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.domain.suspensions import AccountSuspension, suspension_of
from anuma_dash.errors import NotFound
from anuma_dash.features.staff.service import SEARCHERS, AccountSeen, find_seen
from anuma_dash.identity import Account, Actor, StaffRole, User, find_account
from anuma_dash.workflows import Context


@dataclass(frozen=True)
class GrantSeen:
    """One grant or question. `usable`: the member of staff who reads this may look under it now."""

    id: UUID
    kind: str
    status: str
    scopes: str
    hours: int
    asked_by: str
    reason: str
    ticket: str
    expires_at: datetime | None
    usable: bool


@dataclass(frozen=True)
class AccountPage:
    """Everything on the page of an account. `confirmed_at` is since when the gateway obeys the status, if it does."""

    account: AccountSeen
    grants: Sequence[GrantSeen]
    refusal: str
    suspension: AccountSuspension | None
    confirmed_at: datetime | None
    recovery: OwnerRecovery | None
    approvals: int


def read_account(context: Context, actor: Actor, account_id: UUID) -> AccountPage:
    """One account as this member of staff sees it; that they opened it is recorded. Raises `NotAllowed`, `NotFound`."""
    actor.require_staff(*SEARCHERS)
    assert actor.user_id is not None
    seen, now = find_seen(context, actor, account_id), context.clock()
    with context.db.transaction(durable=True) as tx:
        account = find_account(tx, account_id)
        record(tx, actor, Event.STAFF_ACCOUNT_OPENED, at=now, account_id=None, opened_account_id=account_id)
        recovery = open_recovery(tx, account_id, now)
        refusal = support.refusal_of_target(tx, account, actor.user_id)
        grants = support.grants_for_staff(tx, account_id)
        names = _names(tx, grants)
        return AccountPage(
            account=seen,
            grants=[_grant(grant, actor, names, refusal, now) for grant in grants],
            refusal=refusal,
            suspension=suspension_of(tx, account_id),
            confirmed_at=_confirmed_at(account),
            recovery=recovery,
            approvals=len(approvals_of(tx, recovery.id)) if recovery else 0,
        )


def _confirmed_at(account: Account) -> datetime | None:
    return account.gateway_status_at if account.gateway_status == account.wanted_status else None


def _names(tx: Session, grants: Sequence[SupportGrant]) -> dict[UUID, str]:
    asking = {grant.asked_by for grant in grants if grant.asked_by}
    return {row.id: row.name for row in tx.execute(select(User.id, User.name).where(User.id.in_(asking)))}


def _grant(grant: SupportGrant, actor: Actor, names: dict[UUID, str], refusal: str, now: datetime) -> GrantSeen:
    # Of the customer's side nobody is named: before they look, staff see no members.
    needed = StaffRole.ADMINISTRATOR if grant.kind == "emergency" else StaffRole.SUPPORT
    return GrantSeen(
        id=grant.id,
        kind="Emergency access" if grant.kind == "emergency" else "Support access",
        status=grant.status(now),
        scopes=", ".join(grant.scopes),
        hours=grant.hours,
        asked_by=names.get(grant.asked_by, "") if grant.asked_by else "",
        reason=grant.reason,
        ticket=grant.ticket,
        expires_at=grant.expires_at,
        usable=grant.live(now)
        and grant.asked_by in (None, actor.user_id)
        and needed in actor.staff_roles
        and not refusal,
    )


def find_grant(
    context: Context, actor: Actor, grant_id: UUID, kind: Literal["grant", "emergency"] | None = None
) -> tuple[SupportGrant, Account]:
    """A grant or a question with its account, of one kind if that matters. Raises `NotAllowed` and `NotFound`."""
    actor.require_staff(*SEARCHERS)
    with context.db.reading() as tx:
        grant = tx.get(SupportGrant, grant_id)
        if grant is None or kind not in (None, grant.kind):
            raise NotFound("There is no such support access.")
        return grant, find_account(tx, grant.account_id)


def inside_of(context: Context, actor: Actor) -> list[tuple[SupportSession, str]]:
    """The support sessions that a member of staff has open, with the names of the accounts."""
    assert actor.user_id is not None
    with context.db.reading() as tx:
        found = support.live_sessions_of(tx, actor.user_id, context.clock())
        return [(session, find_account(tx, session.account_id).name) for session in found]
