"""The inventory: how much is stored, how old, and how much of it is past its period."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, func, select

from anuma_dash.gateway.schemas import Inventory, InventoryRow

from ..kinds import KINDS, Kind
from ..policy import State, retention_cutoff, retention_days
from ..purging import expired
from ..tables import content_days, request_days, requests


def take_inventory(
    connection: Connection, account: UUID, state: State, now: datetime, next_purge: datetime, person: UUID | None
) -> Inventory:
    """Count from the daily sums; only what the day in which a period ends has is counted row by row.

    Args:
        person: who asks: what is theirs gets rows of its own. Nothing says what other people have.
    """
    rows = []
    for kind in KINDS:
        for owner in [person, account] if kind.personal and person is not None else [account]:
            rows.append(_stored(connection, kind, account, owner, state, now, next_purge))
    return Inventory(as_of=now, rows=[*rows, _metadata(connection, account)])


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


def _stored(
    connection: Connection, kind: Kind, account: UUID, owner: UUID, state: State, now: datetime, next_purge: datetime
) -> InventoryRow:
    person = None if owner == account else owner
    own = kind.of(account, owner if kind.personal else None)
    total = _sum(connection, content_days.c.entries, content_days.c.bytes, *_days(kind, account, owner))
    ordered = select(kind.arrived).where(own)
    cutoff = retention_cutoff(state, now, kind.control, person)
    days = retention_days(state, kind.control, person)
    return InventoryRow(
        category=kind.category,
        owner="account" if person is None else "me",
        count=total[0],
        bytes=total[1],
        oldest=connection.scalar(ordered.order_by(kind.arrived).limit(1)),
        newest=connection.scalar(ordered.order_by(kind.arrived.desc()).limit(1)),
        expired_not_purged=0 if cutoff is None else expired_sums(connection, kind, account, owner, cutoff)[0],
        retention_days=days,
        next_purge=None if days is None else next_purge,
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


def expired_sums(connection: Connection, kind: Kind, account: UUID, owner: UUID, cutoff: datetime) -> tuple[int, int]:
    """How many things arrived until then, and their bytes.

    Of an account's kind whole days come from the sums; what moves from day to day, as conversations do, and belongs to
    one owner is counted row by row.
    """
    sums = content_days.c
    midnight = datetime.combine(cutoff.date(), time(), UTC)
    past = expired(kind, account, owner, cutoff)
    whole = (0, 0)
    if not kind.personal:
        days = _days(kind, account, owner)
        whole = _sum(connection, sums.entries, sums.bytes, *days, sums.day < cutoff.date())
        past &= kind.arrived >= midnight
    rows = select(func.count(), func.coalesce(func.sum(kind.size), 0)).select_from(kind.table).where(past)
    count, size = connection.execute(rows).one()
    return whole[0] + int(count), whole[1] + int(size)


def _days(kind: Kind, account: UUID, owner: UUID) -> list[Any]:
    sums = content_days.c
    own = [sums.account_id == account, sums.category == kind.category]
    return [*own, sums.owner == owner] if kind.personal else own


def _sum(connection: Connection, items: Any, size: Any, *where: Any) -> tuple[int, int]:
    query = select(func.coalesce(func.sum(items), 0), func.coalesce(func.sum(size), 0)).where(*where)
    row = connection.execute(query).one()
    return int(row[0]), int(row[1])
