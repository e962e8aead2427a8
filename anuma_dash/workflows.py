"""Durable work: rows that say what is unfinished, and the one way to try them again until they are finished.

The database row is the truth. An attempt is one idempotent step on one row, and carries the row's `attempt` number: a
step writes only while that number is still the row's, so a superseded runner changes nothing. `next_try_at` says when
the row wants its next attempt; while one is under way it stands a lease in the future, so that an attempt that dies
with its process is followed by another. Attempts are never resumed, so no run ever crosses a change of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, String, bindparam, exists, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Database, UTCDateTime, new_id
from anuma_dash.gateway.client import Gateway
from anuma_dash.settings import Settings

LEASE = timedelta(seconds=20)
LONGEST_BACKOFF = timedelta(seconds=60)
BATCH = 50

log = structlog.get_logger()
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


class Durable:
    """Columns of a row that is worked on until it is finished. `next_try_at` is None when nothing is left to do."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    attempt: Mapped[int] = mapped_column(default=1)
    failures: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(index=True)
    last_try_at: Mapped[datetime | None]
    last_failure: Mapped[str | None] = mapped_column(String(300))


DurableRow = TypeVar("DurableRow", bound=Durable)


@dataclass(frozen=True)
class Context:
    """What a step works with."""

    db: Database
    gateway: Gateway
    clock: Clock = utc_now
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Kind:
    """One kind of durable work: its rows, and the step that brings one of them further.

    `wake` sets `next_try_at` of rows that rest until a time of their own (days ahead, say), when that has come; it is
    called at every sweep.
    """

    name: str
    model: type[Any]
    step: Callable[[Context, UUID, int], None]
    wake: Callable[[Session, datetime], None] | None = None


@dataclass(frozen=True)
class Schedule:
    """What is done every so often, by each worker: it only lets rows become due. Twice at once must do no harm."""

    name: str
    every: timedelta
    run: Callable[[Context], None]


def claim(tx: Session, model: type[DurableRow], row_id: UUID, attempt: int) -> DurableRow | None:
    """The row, locked, if this attempt is still the row's own and work is left; otherwise None."""
    row = tx.scalar(select(model).where(model.id == row_id).with_for_update())
    if row is None or row.attempt != attempt or row.next_try_at is None:
        return None
    return row


def start_now(row: Durable, now: datetime) -> None:
    """Mark a new row as being worked on by its maker: nobody else tries before the lease ends."""
    row.attempt, row.failures = 1, 0
    row.last_try_at, row.next_try_at = now, now + LEASE


def finish(row: Durable) -> None:
    """Mark a row as having nothing left to do."""
    row.next_try_at, row.last_failure = None, None


def wait(row: Durable, now: datetime, delay: timedelta) -> None:
    """Ask for the next attempt after a delay of at most `LONGEST_BACKOFF`, without counting a failure."""
    assert delay <= LONGEST_BACKOFF, "a longer wait would be taken for a clock that jumped"
    row.failures, row.last_failure = 0, None
    row.last_try_at, row.next_try_at = now, now + delay


def retry(row: Durable, now: datetime, failure: str) -> None:
    """Note a failure and ask for the next attempt, later each time."""
    row.failures += 1
    row.last_failure = failure[:300]
    row.last_try_at = now
    row.next_try_at = now + min(LONGEST_BACKOFF, timedelta(seconds=2 ** min(row.failures - 1, 6)))


def sweep(
    db: Database,
    kinds: Iterable[Kind],
    enqueue: Callable[[str, UUID, int], None],
    now: datetime,
    lease: timedelta = LEASE,
) -> int:
    """Begin a new attempt on every row that wants one; returns how many were begun.

    An attempt that is silent for longer than the lease counts as dead.

    The new attempt's number is committed before it is enqueued: if the process dies in between, the lease ends and
    the next sweep begins another.
    """
    begun, kinds = 0, tuple(kinds)
    # Nobody ever waits longer than this: such a time was set before the clock jumped back, and would freeze the row.
    latest = now + max(LONGEST_BACKOFF, LEASE, lease)
    with db.reading() as tx:
        found = tx.execute(_looking(tuple(kind.model for kind in kinds)), {"now": now, "latest": latest}).one()
    for kind, wants in zip(kinds, found, strict=True):
        if not wants and kind.wake is None:
            continue
        with db.transaction() as tx:
            if kind.wake is not None:
                kind.wake(tx, now)
            due = _begin_attempts(tx, kind.model, now, latest, lease)
        for row_id, attempt in due:
            enqueue(kind.name, row_id, attempt)
        begun += len(due)
    return begun


@cache
def _looking(models: tuple[type[Any], ...]) -> Select[*tuple[Any, ...]]:
    # One look at all instead of a transaction for each: mostly there is nothing to do.
    now, latest = bindparam("now", type_=UTCDateTime()), bindparam("latest", type_=UTCDateTime())
    return select(*(exists(select(model.id).where(_wants_attempt(model, now, latest))) for model in models))


def _wants_attempt(model: type[Any], now: Any, latest: Any) -> ColumnElement[bool]:
    return or_(model.next_try_at <= now, model.next_try_at > latest)


def _begin_attempts(
    tx: Session, model: type[Any], now: datetime, latest: datetime, lease: timedelta
) -> list[tuple[UUID, int]]:
    rows = tx.scalars(
        select(model)
        .where(_wants_attempt(model, now, latest))
        .order_by(model.next_try_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    begun = []
    for row in rows:
        row.attempt += 1
        row.next_try_at = now + lease
        begun.append((row.id, row.attempt))
    return begun


def unfinished(tx: Session, model: type[Any]) -> int:
    """How many rows still want work."""
    return tx.scalar(select(func.count()).select_from(model).where(model.next_try_at.is_not(None))) or 0


def wake(tx: Session, model: type[Any], row_id: UUID, now: datetime) -> None:
    """Let a waiting row be tried at the next sweep instead of at the end of its backoff."""
    tx.execute(
        update(model)
        .where(model.id == row_id, model.next_try_at.is_not(None), model.last_failure.is_not(None))
        .values(next_try_at=now)
    )


def run_due(context: Context, kinds: Iterable[Kind]) -> int:
    """Sweep and run what is due in this very process, without the engine; for tests and the command line."""
    by_name = {kind.name: kind for kind in kinds}
    due: list[tuple[str, UUID, int]] = []
    sweep(context.db, by_name.values(), lambda *item: due.append(item), context.clock())
    for name, row_id, attempt in due:
        by_name[name].step(context, row_id, attempt)
    return len(due)
