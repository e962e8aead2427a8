"""The people of an account, by name."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.identity import Membership, User

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
