"""The inventory: how much is stored, how old, and how much of it is past its period."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from anuma_dash.gateway.schemas import Inventory, InventoryRow

from ..policy import State, retention_cutoff
from ..tables import content_days, request_contents, request_days, requests


def take_inventory(connection: Connection, account: UUID, state: State, now: datetime) -> Inventory:
    """Count from the daily sums; only the day in which a period ends is counted row by row."""
    return Inventory(as_of=now, rows=[_content(connection, account, state, now), _metadata(connection, account)])


def take_inventory_of(connection: Connection, account: UUID, person: UUID, state: State, now: datetime) -> Inventory:
    """Count the stored content of one person's requests, row by row: there are no sums of that."""
    column, cutoff = requests.c, retention_cutoff(state, now)
    theirs = (column.account_id == account, column.created_by == person, column.content_stored.is_(True))
    counted = select(
        func.count(),
        func.coalesce(func.sum(column.content_bytes), 0),
        func.min(column.created_at),
        func.max(column.created_at),
    )
    count, size, oldest, newest = connection.execute(counted.where(*theirs)).one()
    expired = 0
    if cutoff is not None:
        expired = connection.scalar(select(func.count()).where(*theirs, column.created_at <= cutoff)) or 0
    row = InventoryRow(
        category="request_content",
        count=count,
        bytes=int(size),
        oldest=oldest,
        newest=newest,
        expired_not_purged=expired,
        retention_days=state.controls["prompt_logging"].retention_days,
        next_purge=None,
    )
    return Inventory(as_of=now, rows=[row])


def _content(connection: Connection, account: UUID, state: State, now: datetime) -> InventoryRow:
    sums, column = content_days.c, request_contents.c
    own = (sums.account_id == account, sums.category == "request_content")
    total = _sum(connection, sums.entries, sums.bytes, *own)
    ordered = select(column.created_at).where(column.account_id == account)
    cutoff = retention_cutoff(state, now)
    return InventoryRow(
        category="request_content",
        count=total[0],
        bytes=total[1],
        oldest=connection.scalar(ordered.order_by(column.created_at).limit(1)),
        newest=connection.scalar(ordered.order_by(column.created_at.desc()).limit(1)),
        expired_not_purged=0 if cutoff is None else _expired(connection, account, cutoff),
        retention_days=state.controls["prompt_logging"].retention_days,
        next_purge=None,
    )


def _metadata(connection: Connection, account: UUID) -> InventoryRow:
    sums, column = request_days.c, requests.c
    total = _sum(connection, sums.requests, sums.bytes, sums.account_id == account)
    ordered = select(column.created_at).where(column.account_id == account)
    return InventoryRow(
        category="request_metadata",
        count=total[0],
        bytes=total[1],
        oldest=connection.scalar(ordered.order_by(column.id).limit(1)),
        newest=connection.scalar(ordered.order_by(column.id.desc()).limit(1)),
        expired_not_purged=0,
        retention_days=None,
        next_purge=None,
    )


def _expired(connection: Connection, account: UUID, cutoff: datetime) -> int:
    sums, column = content_days.c, request_contents.c
    own = (sums.account_id == account, sums.category == "request_content")
    whole_days = _sum(connection, sums.entries, sums.bytes, *own, sums.day < cutoff.date())
    midnight = datetime.combine(cutoff.date(), time(), UTC)
    last_day = select(func.count()).where(
        column.account_id == account, column.created_at >= midnight, column.created_at <= cutoff
    )
    return whole_days[0] + (connection.scalar(last_day) or 0)


def _sum(connection: Connection, items: Any, size: Any, *where: Any) -> tuple[int, int]:
    query = select(func.coalesce(func.sum(items), 0), func.coalesce(func.sum(size), 0)).where(*where)
    row = connection.execute(query).one()
    return int(row[0]), int(row[1])
