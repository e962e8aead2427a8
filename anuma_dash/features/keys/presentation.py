"""Keys as pages show them: what the gateway says, overlaid with what is on its way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.db import owned
from anuma_dash.domain.key_revocations import KeyRevocation, revocation_of, revocations_of
from anuma_dash.domain.members import member_names, person_word
from anuma_dash.domain.standstills import Stop, stopped_by, stops_of
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.features.keys.revocations import may_revoke
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission

SOON = timedelta(days=14)
State = Literal["active", "expiring", "expired", "revoking", "revoked", "works_again", "deactivated"]


@dataclass(frozen=True)
class KeyRow:
    """One key. `key` is None when only the dashboard's own record is at hand, because the gateway does not answer.

    `stopped_by` says in words what stopped a deactivated one.
    `asks_again`: it is about to change, so its row looks again by itself; in a support session only clicks do.
    """

    id: UUID
    name: str
    tail: str
    state: State
    key: schemas.Key | None
    created_by: str
    may_revoke: bool
    may_activate: bool = False
    stopped_by: str = ""
    expires_in_days: int = 0
    revocation: KeyRevocation | None = None
    asks_again: bool = False


def key_rows(tx: Session, actor: Actor, account_id: UUID, keys: list[schemas.Key], now: datetime) -> list[KeyRow]:
    """A page of keys for this person."""
    names = member_names(tx, account_id)
    stops = stops_of(tx, account_id) if any(key.deactivated_at for key in keys) else ()
    asked = revocations_of(tx, account_id, [key.id for key in keys])
    return [_row(actor, key, asked.get(key.id), names, stops, now) for key in keys]


def key_row(tx: Session, actor: Actor, account_id: UUID, key: schemas.Key, now: datetime) -> KeyRow:
    """One key for this person."""
    return key_rows(tx, actor, account_id, [key], now)[0]


def key_row_without_gateway(tx: Session, actor: Actor, account_id: UUID, key_id: UUID) -> KeyRow | None:
    """What is known here of a key that was asked to be revoked; None if nothing was asked."""
    revocation = revocation_of(tx, account_id, key_id)
    if revocation is None:
        return None
    intent = tx.scalar(owned(KeyIntent, account_id).where(KeyIntent.key_id == key_id))
    prefix = f"anuma_{intent.environment}_" if intent else ""
    return KeyRow(
        id=key_id,
        name=revocation.key_name,
        tail=f"{prefix}…{actor.tail(revocation.key_last_four)}",
        state="revoking" if revocation.outcome == "pending" else "revoked",
        key=None,
        created_by="",
        may_revoke=False,
        revocation=revocation,
        asks_again=revocation.outcome == "pending" and actor.support_session_id is None,
    )


def _row(
    actor: Actor,
    key: schemas.Key,
    revocation: KeyRevocation | None,
    names: Mapping[UUID, str],
    stops: Sequence[Stop],
    now: datetime,
) -> KeyRow:
    state = _state(key, revocation, now)
    return KeyRow(
        id=key.id,
        name=key.name,
        tail=f"{key.prefix}…{actor.tail(key.last_four)}",
        state=state,
        key=key,
        created_by=person_word(names, key.created_by),
        may_revoke=state in ("active", "expiring", "works_again", "deactivated") and may_revoke(actor, key.created_by),
        may_activate=state == "deactivated" and actor.may(Permission.ACTIVATE_KEYS),
        stopped_by=stopped_by(stops, key.deactivated_at) if key.deactivated_at else "",
        expires_in_days=_days_left(key, now),
        revocation=revocation,
        asks_again=state == "revoking" and actor.support_session_id is None,
    )


def _state(key: schemas.Key, revocation: KeyRevocation | None, now: datetime) -> State:
    if key.state == "revoked":
        return "revoked" if key.revocation_in_effect_at is not None else "revoking"
    if revocation is not None and revocation.outcome == "pending":
        return "revoking"
    if key.state in ("expired", "deactivated"):
        return key.state
    if revocation is not None:
        return "works_again"
    return "expiring" if key.expires_at is not None and key.expires_at - now <= SOON else "active"


def _days_left(key: schemas.Key, now: datetime) -> int:
    return max(0, (key.expires_at - now).days) if key.expires_at is not None else 0
