"""Sweeping up: data keys that no content uses, tokens and idempotency keys past their time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select

from .core import Gateway
from .tables import data_keys, idempotency_keys, request_contents, used_tokens

_BATCH: Final = 500
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
    while batch := _settled_keys(gateway, after):
        used = _used(gateway, batch)
        orphans = [key for key in batch if key not in used]
        if orphans:
            gateway.vault.destroy_keys(orphans)
            gateway.log.info("orphan_keys_destroyed", count=len(orphans))
        after = batch[-1]
    return after


def _settled_keys(gateway: Gateway, after: UUID | None) -> list[UUID]:
    """Keys that are old enough for the write they were made for to have ended."""
    column = data_keys.c
    query = select(column.id).where(column.created_at < gateway.now() - _WRITE_TAKES_AT_MOST)
    if after is not None:
        query = query.where(column.id > after)
    with gateway.stores.keys.read() as connection:
        return list(connection.scalars(query.order_by(column.id).limit(_BATCH)))


def _used(gateway: Gateway, batch: list[UUID]) -> set[UUID]:
    column = request_contents.c.request_id
    with gateway.stores.main.read() as connection:
        return set(connection.scalars(select(column).where(column.in_(batch))))
