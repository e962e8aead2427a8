"""The filters of the request log, and the one index by which each page of it is read.

SQLite does not know how many rows a value has, so which of several filters is the narrowest is counted beforehand, up
to a bound; the others are then only compared, never looked up by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from sqlalchemy import Column, ColumnElement, Connection, and_, func, not_, select

from anuma_dash.gateway.schemas import Time

from ..identifiers import first_uuid7
from ..policy import State, retention_cutoff
from ..tables import api_keys, requests

Equal = tuple[Column[Any], Any]
_MILLISECOND = timedelta(milliseconds=1)
"""As fine as the time in an identifier is ordered for certain."""
_ENOUGH = 1000
"""Filters that fit more rows than this are equally wide: a page is full long before."""
MOST_RANGES = 50
"""An app with more keys is looked for in the log from its end."""


@dataclass(frozen=True)
class Filters:
    """Which requests to list. `from` and `to` are moments of arrival, the first included, the second not."""

    key: Annotated[UUID | None, Query()] = None
    app: Annotated[UUID | None, Query(description="Only requests of this app's keys")] = None
    model: Annotated[str | None, Query(max_length=200)] = None
    status_class: Annotated[Literal["2xx", "4xx", "5xx"] | None, Query()] = None
    content: Annotated[Literal["stored", "not_stored"] | None, Query()] = None
    person: Annotated[UUID | None, Query()] = None
    from_: Annotated[Time | None, Query(alias="from")] = None
    to: Annotated[Time | None, Query()] = None
    include_tests: Annotated[bool, Query()] = True

    def equal(self) -> list[Equal]:
        """The filters that need no policy, each on an index of its own."""
        column = requests.c
        status_class = None if self.status_class is None else int(self.status_class[0])
        wanted = (
            (column.key_id, self.key),
            (column.created_by, self.person),
            (column.model, self.model),
            (column.status_class, status_class),
        )
        return [(one, value) for one, value in wanted if value is not None]

    def times(self) -> list[ColumnElement[bool]]:
        """The time range, which every index can narrow by, as each ends with the identifier."""
        column, found = requests.c, []
        if self.from_ is not None:
            found += [column.id >= first_uuid7(self.from_), column.created_at >= self.from_]
        if self.to is not None:
            found += [column.id < first_uuid7(self.to + _MILLISECOND), column.created_at < self.to]
        return found


def alternatives(
    connection: Connection, account: UUID, filters: Filters, state: State, now: datetime
) -> list[ColumnElement[bool]]:
    """Conditions that exclude each other and together are the filters; each is a range of one index."""
    equal, times = filters.equal(), filters.times()
    tests = [] if filters.include_tests else [not_(requests.c.is_test)]
    found = []
    for keys, among_keys in _keys(connection, account, filters):
        for content, past in _content(filters, state, now):
            among = [*equal, *keys, *content]
            first = _narrowest(connection, account, among)
            compared = [(column if column is first else _aside(column)) == value for column, value in among]
            found.append(and_(requests.c.account_id == account, *compared, *times, *past, *among_keys, *tests))
    return found


def _keys(
    connection: Connection, account: UUID, filters: Filters
) -> list[tuple[list[Equal], list[ColumnElement[bool]]]]:
    """An app is its keys, each of them a range of an index; those of very many are only compared."""
    if filters.app is None:
        return [([], [])]
    of_app = and_(api_keys.c.account_id == account, api_keys.c.app_id == filters.app)
    keys = connection.scalars(select(api_keys.c.id).where(of_app)).all()
    if len(keys) > MOST_RANGES:
        return [([], [_aside(requests.c.key_id).in_(keys)])]
    return [([(requests.c.key_id, key)], []) for key in keys]


def _content(filters: Filters, state: State, now: datetime) -> list[tuple[list[Equal], list[ColumnElement[bool]]]]:
    """What is past its period counts as not stored, even before the purge."""
    if filters.content is None:
        return [([], [])]
    column, cutoff = requests.c, retention_cutoff(state, now)
    stored: list[Equal] = [(column.content_stored, True)]
    kept_out: list[Equal] = [(column.content_stored, False)]
    if cutoff is None:
        return [(stored if filters.content == "stored" else kept_out, [])]
    if filters.content == "stored":
        return [(stored, [column.id >= first_uuid7(cutoff), column.created_at > cutoff])]
    past = [column.id < first_uuid7(cutoff + _MILLISECOND), column.created_at <= cutoff]
    return [(kept_out, []), (stored, past)]


def _narrowest(connection: Connection, account: UUID, among: Sequence[Equal]) -> Column[Any] | None:
    if len(among) < 2:
        return among[0][0] if among else None

    def rows(one: Equal) -> int:
        within = and_(requests.c.account_id == account, one[0] == one[1])
        few = select(requests.c.id).where(within).limit(_ENOUGH).subquery()
        return connection.scalar(select(func.count()).select_from(few)) or 0

    return min(among, key=rows)[0]


def _aside(column: Column[Any]) -> ColumnElement[Any]:
    """The column's value, as no index has it."""
    return func.coalesce(column, column)
