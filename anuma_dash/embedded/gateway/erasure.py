"""Erasing stored content in batches, keeping the daily sums and the request log true."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, select, update

from .content_tables import messages
from .history.erasing import erase_conversations
from .kinds import CONVERSATIONS, REQUEST_CONTENT, TRACES, Kind
from .stores import Store, add_up
from .tables import content_days, requests

Rule = Literal["deleted", "expired"]
_LEVELS: Final[dict[Rule, str]] = {"deleted": "none", "expired": "account"}


def identifiers(store: Store, kind: Kind, condition: ColumnElement[bool], batch: int) -> Iterator[list[UUID]]:
    """What the condition covers, in batches, each read in a transaction of its own."""
    query = select(kind.id).where(condition).order_by(kind.id)
    last: UUID | None = None
    while True:
        page = query if last is None else query.where(kind.id > last)
        with store.read() as connection:
            found = list(connection.scalars(page.limit(batch)))
        if not found:
            return
        yield found
        last = found[-1]


def find_batch(connection: Connection, kind: Kind, condition: ColumnElement[bool], batch: int) -> list[Row[Any]]:
    """Some of what the condition covers, locked until the transaction ends."""
    query = select(
        kind.id.label("id"),
        kind.account.label("account_id"),
        kind.owner.label("owner"),
        kind.counted_at.label("counted_at"),
        kind.size.label("size"),
    )
    page = query.where(condition).order_by(kind.id).limit(batch)
    return list(connection.execute(page.with_for_update(of=kind.table)))


def erase(connection: Connection, kind: Kind, rows: Sequence[Row[Any]], batch: int, rule: Rule) -> int:
    """Erase rows that `find_batch` found; of long conversations some of the messages only: find and erase them again.

    Args:
        batch: how many messages may go at once.
        rule: what the request log says afterwards of the content.

    Returns:
        How many things are gone.
    """
    ids = [row.id for row in rows]
    _tell_requests(connection, kind, ids, rule)
    if kind is CONVERSATIONS:
        erase_conversations(connection, ids, batch)
        left = set(connection.scalars(select(kind.id).where(kind.id.in_(ids))))
    else:
        connection.execute(delete(kind.table).where(kind.id.in_(ids)))
        left = set()
    gone = [row for row in rows if row.id not in left]
    _take_away(connection, kind, gone)
    return len(gone)


def _take_away(connection: Connection, kind: Kind, rows: Sequence[Row[Any]]) -> None:
    entries: Counter[tuple[Any, ...]] = Counter()
    sizes: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        day = (row.account_id, row.owner, row.counted_at.date())
        entries[day] += 1
        sizes[day] += row.size or 0
    for account, owner, on in sorted(entries):
        place = {"account_id": account, "category": kind.category, "owner": owner, "day": on}
        taken = {"entries": -entries[account, owner, on], "bytes": -sizes[account, owner, on]}
        add_up(connection, content_days, place, taken)


def _tell_requests(connection: Connection, kind: Kind, ids: Collection[UUID], rule: Rule) -> None:
    level = _LEVELS[rule]
    if kind is REQUEST_CONTENT:
        said = {"content_stored": False, "content_rule": rule, "content_level": level, "content_bytes": 0}
        connection.execute(update(requests).where(requests.c.id.in_(ids)).values(said))
    elif kind is TRACES:
        _tell_of_control(connection, kind, select(kind.table.c.request_id).where(kind.id.in_(ids)), rule)
    elif kind is CONVERSATIONS:
        _tell_of_control(
            connection, kind, select(messages.c.request_id).where(messages.c.conversation_id.in_(ids)), rule
        )


def _tell_of_control(connection: Connection, kind: Kind, found: Any, rule: Rule) -> None:
    column = requests.c
    rows = connection.execute(select(column.id, column.other_controls).where(column.id.in_(found))).all()
    changed = []
    for row in rows:
        decided = json.loads(row.other_controls or "{}")
        if decided.get(kind.control, [False])[0]:
            decided[kind.control] = [False, rule, _LEVELS[rule]]
            changed.append({"one": row.id, "said": json.dumps(decided, separators=(",", ":"))})
    if changed:
        said = update(requests).where(column.id == bindparam("one")).values(other_controls=bindparam("said"))
        connection.execute(said, changed)
