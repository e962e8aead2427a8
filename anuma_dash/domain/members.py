"""The people of an account, and the accounts of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.db import owned
from anuma_dash.domain.closings import AccountClosing
from anuma_dash.identity import Account, Membership, Role, User

SERVICE = "Service"
FORMER_MEMBER = "Former member"


def member_names(tx: Session, account_id: UUID) -> Mapping[UUID, str]:
    """The names of the account's members."""
    rows = tx.execute(
        select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id)
    )
    return {row.id: row.name for row in rows}


def person_word(names: Mapping[UUID, str], user_id: UUID | None) -> str:
    """The name of the person that something belongs to; what has none belongs to a service key."""
    return SERVICE if user_id is None else names.get(user_id, FORMER_MEMBER)


def members_with(tx: Session, account_id: UUID, role: Role) -> Sequence[User]:
    """The account's members in this role, by their identifiers."""
    query = select(User).join(Membership, Membership.user_id == User.id)
    return tx.scalars(
        query.where(Membership.account_id == account_id, Membership.role == role.value).order_by(User.id)
    ).all()


@dataclass(frozen=True)
class Belonging:
    """One account that a person belongs to, or belonged to when it was closed.

    `state` is open, waiting (since `at`, for an owner to confirm them), or closed (at `at`).
    """

    account: Account
    role: Role
    state: Literal["open", "waiting", "closed"]
    at: datetime | None


def belongings_of(tx: Session, user_id: UUID) -> list[Belonging]:
    """Every account of a person, closed ones and those that they cannot open too; the oldest membership first."""
    rows = tx.execute(
        select(Account, Membership)
        .join(Membership, Membership.account_id == Account.id)
        .where(Membership.user_id == user_id)
        .order_by(Membership.created_at, Membership.id)
    )
    return [_belonging(tx, account, membership) for account, membership in rows]


def _belonging(tx: Session, account: Account, membership: Membership) -> Belonging:
    role = Role(membership.role)
    if account.status == "closed":
        closed_at = tx.scalar(
            owned(AccountClosing, account.id)
            .where(AccountClosing.state == "closed")
            .with_only_columns(AccountClosing.finished_at)
        )
        return Belonging(account, role, "closed", closed_at)
    if membership.on_hold_since is not None:
        return Belonging(account, role, "waiting", membership.on_hold_since)
    return Belonging(account, role, "open", None)
