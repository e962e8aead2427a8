"""Sweeping up: data keys that no content uses, tokens and idempotency keys past their time, reservations of
requests that died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, delete, select

from .content_tables import conversations
from .core import Gateway
from .history.keys import SEARCH, search_key_id
from .kinds import KINDS
from .tables import data_keys, idempotency_keys, reservations, used_tokens

_BATCH: Final = 500
_KINDS: Final = {kind.category: kind for kind in KINDS}
_SAMPLES: Final = 8
_WRITE_TAKES_AT_MOST: Final = timedelta(hours=1)
_TOKENS_KEPT: Final = timedelta(hours=1)
"""Beyond their end, so that a clock that jumps back lets none be used twice."""

_ANSWERS_KEPT: Final = timedelta(days=7)


def sweep(gateway: Gateway, after: UUID | None = None) -> UUID | None:
    """Sweep once.

    Args:
        after: data keys up to this one were looked at before.

    Returns:
        The last data key that was looked at.
    """
    now = gateway.now()
    with gateway.stores.main.write() as connection:
        connection.execute(delete(used_tokens).where(used_tokens.c.expires_at < now - _TOKENS_KEPT))
        old = idempotency_keys.c.created_at < now - _ANSWERS_KEPT
        connection.execute(delete(idempotency_keys).where(old))
        connection.execute(delete(reservations).where(reservations.c.ends_at < now - _TOKENS_KEPT))
    return destroy_orphans(gateway, now - _WRITE_TAKES_AT_MOST, after).last


@dataclass(frozen=True)
class Orphans:
    """The last data key that was looked at, and pieces of some that were destroyed, by account."""

    last: UUID | None
    pieces: dict[UUID, frozenset[bytes]]


def destroy_orphans(gateway: Gateway, made_before: datetime, after: UUID | None = None) -> Orphans:
    """Destroy data keys without content.

    Args:
        made_before: a younger key may have been made for a write that is under way.
        after: data keys up to this one were looked at before.
    """
    pieces: dict[UUID, frozenset[bytes]] = {}
    while batch := _made_before(gateway, made_before, after):
        used = _used(gateway, batch)
        orphans = [row for row in batch if row.id not in used]
        if orphans:
            gateway.vault.destroy_keys([row.id for row in orphans])
            gateway.log.info("orphan_keys_destroyed", count=len(orphans))
        for row in orphans[:_SAMPLES]:
            pieces[row.account_id] = pieces.get(row.account_id, frozenset()) | {row.wrapped}
        after = batch[-1].id
    return Orphans(after, pieces)


def _made_before(gateway: Gateway, made_before: datetime, after: UUID | None) -> list[Row[Any]]:
    column = data_keys.c
    query = select(column.id, column.account_id, column.kind, column.wrapped).where(column.created_at < made_before)
    if after is not None:
        query = query.where(column.id > after)
    with gateway.stores.keys.read() as connection:
        return list(connection.execute(query.order_by(column.id).limit(_BATCH)))


def _used(gateway: Gateway, batch: Sequence[Row[Any]]) -> set[UUID]:
    """Those whose thing is there. Of a kind that nobody knows here, all: they are somebody else's to destroy."""
    used = {row.id for row in batch if row.kind not in _KINDS and row.kind != SEARCH}
    with gateway.stores.main.read() as connection:
        for category, kind in _KINDS.items():
            if ids := [row.id for row in batch if row.kind == category]:
                used |= set(connection.scalars(select(kind.id).where(kind.id.in_(ids))))
        for row in batch:
            if row.kind == SEARCH and _has_history(connection, row.account_id, row.id):
                used.add(row.id)
    return used


def _has_history(connection: Connection, account: UUID, key: UUID) -> bool:
    """Whether the owner of a search key has a conversation left."""
    column, after = conversations.c, UUID(int=0)
    while True:  # from owner to owner by the index, not from conversation to conversation
        later = select(column.owner).where(column.account_id == account, column.owner > after)
        owner = connection.scalar(later.order_by(column.owner).limit(1))
        if owner is None:
            return False
        if key in (owner, search_key_id(account, owner)):
            return True
        after = owner
