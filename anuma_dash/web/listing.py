"""Lists: filters that live in the URL, and keyset pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from flask import request, url_for

from anuma_dash.db import id_of
from anuma_dash.errors import NotFound
from anuma_dash.names import one_line

Row = TypeVar("Row")
PAGE_ROWS = 50


@dataclass(frozen=True)
class Listing(Generic[Row]):
    """One page of rows. `next_url` is None on the last page, `first_url` is None on the first."""

    rows: Sequence[Row]
    next_url: str | None
    first_url: str | None


def filters(*names: str) -> dict[str, str]:
    """The filters that are set in the URL, of those that the page knows; empty ones are left out.

    They are shown again in the form, so control characters, which no HTML may hold, are taken away.
    """
    return {name: value for name in names if (value := one_line(request.args.get(name, ""))[:200])}


def uuid_argument(name: str) -> UUID | None:
    """An identifier from the URL; None if it is not there. Raises `NotFound` if it is not one."""
    value = request.args.get(name, "").strip()
    if not value:
        return None
    found = id_of(value)
    if found is None:
        raise NotFound(f"The address of this page has an invalid “{name}”.")
    return found


def cursor() -> str | None:
    """Behind which row the page begins; None for the first page."""
    return request.args.get("after", "")[:300] or None


def number_cursor() -> int | None:
    """Behind which number the page begins, where rows are numbered. Raises `NotFound` if it is none."""
    text = cursor()
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFound("The address of this page has an after that is not a number.")
    return int(text)


def listing(rows: Sequence[Row], next_cursor: str | None, active: Mapping[str, str]) -> Listing[Row]:
    """The page of rows with the addresses of the next page and of the first, which keep the filters."""
    endpoint = request.endpoint or ""
    arguments: dict[str, Any] = {**(request.view_args or {}), **active}
    return Listing(
        rows=rows,
        next_url=url_for(endpoint, **arguments, after=next_cursor) if next_cursor else None,
        first_url=url_for(endpoint, **arguments) if cursor() else None,
    )
