"""Which stored content a deletion covers, destroying its keys, and erasing its rows in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from anuma_dash.gateway.schemas import DeletionScope

from .stores import Store, add_up
from .tables import content_days, request_contents, requests


def covered(account: UUID, scope: DeletionScope, accepted_at: datetime) -> ColumnElement[bool]:
    """What a deletion covers: content that had arrived when it was accepted. Legal holds will narrow this."""
    column = request_contents.c
    conditions = [column.account_id == account, column.created_at <= accepted_at]
    if scope.before is not None:
        conditions.append(column.created_at < scope.before)
    if scope.request_ids is not None:
        conditions.append(column.request_id.in_(scope.request_ids))
    if scope.person is not None:
        conditions.append(column.created_by == scope.person)
    return and_(*conditions)


def identifiers(store: Store, condition: ColumnElement[bool], batch: int) -> Iterator[list[UUID]]:
    """The covered requests, in batches, each read in a transaction of its own."""
    query = select(request_contents.c.request_id).where(condition).order_by(request_contents.c.request_id)
    last: UUID | None = None
    while True:
        page = query if last is None else query.where(request_contents.c.request_id > last)
        with store.read() as connection:
            found = list(connection.scalars(page.limit(batch)))
        if not found:
            return
        yield found
        last = found[-1]


def erase_batch(connection: Connection, condition: ColumnElement[bool], batch: int) -> int:
    """Erase some of the covered rows, keeping the daily sums and the request log true. Answers how many."""
    column = requests.c
    rows = connection.execute(
        select(column.id, column.account_id, column.created_by, column.created_at, column.content_bytes)
        .join(request_contents, request_contents.c.request_id == requests.c.id)
        .where(condition)
        .order_by(requests.c.id)
        .limit(batch)
        .with_for_update(of=request_contents)
    ).all()
    erased = [row.id for row in rows]
    connection.execute(delete(request_contents).where(request_contents.c.request_id.in_(erased)))
    connection.execute(
        update(requests)
        .where(requests.c.id.in_(erased))
        .values(content_stored=False, content_rule="deleted", content_level="none", content_bytes=0)
    )
    entries: Counter[tuple[UUID, UUID, date]] = Counter()
    sizes: Counter[tuple[UUID, UUID, date]] = Counter()
    for row in rows:
        day = (row.account_id, row.created_by or row.account_id, row.created_at.date())
        entries[day] += 1
        sizes[day] += row.content_bytes
    for account, owner, on in sorted(entries):
        place = {"account_id": account, "category": "request_content", "owner": owner, "day": on}
        taken = {"entries": -entries[account, owner, on], "bytes": -sizes[account, owner, on]}
        add_up(connection, content_days, place, taken)
    return len(erased)
