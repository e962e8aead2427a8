"""The filters of the activity: read from the address, and made into queries that never walk the whole chain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import ColumnElement, Select, false, func, literal_column, select, tuple_, union_all

from anuma_dash.audit import AuditDetail, AuditEntry, AuditObject
from anuma_dash.db import id_of

NAMES = ("what", "who", "object", "from", "to")
SYSTEM = "system"
STAFF = "staff"
OBJECT = re.compile(r"([a-z_]{1,30}):(.{1,64})")
DAY_HELP = "Enter a day as year-month-day, such as 2026-11-22."
NOBODY = UUID(int=0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filters:
    """What is shown; what is empty is everything. Days are the person's own, the last one is included.

    `problems` says, by the name in the address, what cannot be read: nothing is listed then, rather than too much.
    """

    what: str = ""
    who: str = ""
    object: tuple[str, str] | None = None
    first_day: date | None = None
    last_day: date | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    problems: Mapping[str, str] = field(default_factory=dict)

    @property
    def begin(self) -> datetime | None:
        """The first moment of the first day."""
        return self._midnight(self.first_day)

    @property
    def end(self) -> datetime | None:
        """The first moment behind the last day."""
        return self._midnight(self.last_day + timedelta(days=1)) if self.last_day else None

    def _midnight(self, day: date | None) -> datetime | None:
        return datetime.combine(day, time(), self.zone).astimezone(UTC) if day else None


def parse_filters(values: Mapping[str, str], zone: ZoneInfo) -> Filters:
    """Read the filters that the address names."""
    problems: dict[str, str] = {}
    days: dict[str, date | None] = {}
    for name in ("from", "to"):
        days[name] = _day(values.get(name, ""))
        if values.get(name) and days[name] is None:
            problems[name] = DAY_HELP
    first, last = days["from"], days["to"]
    if first and last and first > last:
        problems["to"] = "The last day is before the first one."
    found = OBJECT.fullmatch(values.get("object", ""))
    if values.get("object") and found is None:
        problems["object"] = "The address names a thing in a way that cannot be read."
    thing = (found[1], found[2]) if found else None
    return Filters(values.get("what", ""), values.get("who", ""), thing, first, last, zone, problems)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of this name (IANA); UTC if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text and 2000 <= day.year <= 2200 else None


@dataclass(frozen=True)
class Selection:
    """Which entries of a chain, for whom: `actor_id` is set for those who may see their own acts only.

    `events` is what the filter's kind stands for, None for everything. What is said of entries before `erased_before`
    is past its period, so they are not found by what they were about. `up_to` is the last number of interest.
    """

    chain: UUID
    filters: Filters
    actor_id: UUID | None = None
    events: Sequence[str] | None = None
    erased_before: datetime | None = None
    up_to: int | None = None


@dataclass(frozen=True)
class Position:
    """Where a page ends: an entry's time and number."""

    at: datetime
    number: int

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Read a position. Raises `ValueError`."""
        found = re.fullmatch(r"([0-9]{1,17})\.([0-9]{1,9})", text, re.ASCII)
        if found is None:
            raise ValueError("not a position")
        return cls(EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))


def newest(chosen: Selection, behind: Position | None, limit: int) -> Select[AuditEntry, AuditDetail]:
    """A page of entries, newest first."""
    at, number = _order(chosen)
    if chosen.events is None or chosen.filters.object:
        keys: Any = _keys(chosen, behind, chosen.events).order_by(at.desc(), number.desc()).limit(limit)
    else:
        # One short walk over the index for each event: an index of all of them together has no order to page by.
        keys = union_all(
            *(
                select(_keys(chosen, behind, [event]).order_by(at.desc(), number.desc()).limit(limit).subquery())
                for event in chosen.events
            )
        ) if chosen.events else _keys(chosen, behind, []).where(false())  # fmt: skip
    found = keys.subquery()
    return (
        _with_details()
        .join(found, found.c.id == AuditEntry.id)
        .order_by(AuditEntry.at.desc(), AuditEntry.number.desc())
        .limit(limit)
    )


def oldest(
    chosen: Selection, behind: Position | None, limit: int, *, by_number: bool
) -> Select[AuditEntry, AuditDetail]:
    """A stretch of entries in the order of their times, or of the chain."""
    at, number = _order(chosen)
    keys = _keys(chosen, None, None)
    if chosen.events is not None:
        # Kept away from the index of events, which would sort all that is left for every stretch.
        keys = keys.where(AuditEntry.event.concat("").in_(chosen.events))
    if by_number:
        keys = keys.where(number > (behind.number if behind else 0)).order_by(number)
    else:
        if behind:
            keys = keys.where(tuple_(at, number) > _bound(behind))
        keys = keys.order_by(at, number)
    found = keys.limit(limit).subquery()
    order = (AuditEntry.number,) if by_number else (AuditEntry.at, AuditEntry.number)
    return _with_details().join(found, found.c.id == AuditEntry.id).order_by(*order)


def counted(chosen: Selection) -> Select[int]:
    """How many entries there are."""
    return select(func.count()).select_from(_keys(chosen, None, chosen.events).subquery())


def _with_details() -> Select[AuditEntry, AuditDetail]:
    return select(AuditEntry, AuditDetail).outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)


def _order(chosen: Selection) -> tuple[Any, Any]:
    table = AuditObject if chosen.filters.object else AuditEntry
    return table.at, table.number


def _bound(position: Position) -> Any:
    return tuple_(position.at, position.number, types=[AuditEntry.at.type, AuditEntry.number.type])


def _keys(chosen: Selection, behind: Position | None, events: Sequence[str] | None) -> Select[Any]:
    at, number = _order(chosen)
    query = select(AuditEntry.id, at.label("at"), number.label("number"))
    query = query.where(*_conditions(chosen, behind, at, number))
    if chosen.filters.object:
        query = query.join(AuditObject, AuditObject.entry_id == AuditEntry.id)
    if behind:
        query = query.where(tuple_(at, number) < _bound(behind))
    if events is not None:
        query = query.where(AuditEntry.event == events[0] if len(events) == 1 else AuditEntry.event.in_(events))
    return query


def _conditions(chosen: Selection, behind: Position | None, at: Any, number: Any) -> list[ColumnElement[bool]]:
    filters, found = chosen.filters, []
    if filters.object:
        kind, object_id = filters.object
        found += [AuditObject.kind == kind, AuditObject.object_id == object_id, AuditObject.chain == chosen.chain]
        found += [at >= chosen.erased_before] if chosen.erased_before else []
    else:
        found.append(AuditEntry.chain == chosen.chain)
    if chosen.actor_id is not None:
        found.append(AuditEntry.actor_id == chosen.actor_id)
    elif filters.who == SYSTEM:
        found.append(AuditEntry.actor_id.is_(None))
    elif filters.who == STAFF:
        # Written out, because an index of a part of a table is taken only if the statement itself shows the part.
        found.append(literal_column("audit_entries.actor_kind") == literal_column("'staff'"))
    elif filters.who:
        found.append(AuditEntry.actor_id == (id_of(filters.who) or NOBODY))
    found += [at >= filters.begin] if filters.begin else []
    # A page's own beginning is the nearer bound: with both, SQLite would walk from the farther one.
    found += [at < filters.end] if filters.end and (behind is None or behind.at >= filters.end) else []
    found += [number <= chosen.up_to] if chosen.up_to is not None else []
    return found
