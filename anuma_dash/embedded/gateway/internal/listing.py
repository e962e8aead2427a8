"""Keyset pages: newest first, by identifier, never with an offset or a total."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Query
from sqlalchemy import Column, Select

from anuma_dash.gateway.schemas import Page

T = TypeVar("T")
MAX_LIMIT = 200

After = Annotated[UUID | None, Query(description="The `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows of a page")]


def keyset(query: Select[Any], column: Column[UUID], after: UUID | None, limit: int) -> Select[Any]:
    """The query of one page, with a row more, which tells whether there is a next one."""
    if after is not None:
        query = query.where(column < after)
    return query.order_by(column.desc()).limit(limit + 1)


def page(rows: Sequence[Any], limit: int, show: Callable[[Any], T]) -> Page[T]:
    """The page of the rows that `keyset` found."""
    data = [show(row) for row in rows[:limit]]
    following = str(rows[limit - 1].id) if len(rows) > limit else None
    return Page(data=data, next=following)
