"""Sums that one transaction adds to rollup rows, gathered first: one statement a row, in the order of the rows."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

from sqlalchemy import Dialect, Table

from .statements import Cursor, Statement
from .stores import adding


class Sums:
    """What to add to the rows of one table, by their primary key."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._rows: dict[tuple[Any, ...], Counter[str]] = {}

    def add(self, row: tuple[Any, ...], **amounts: int) -> None:
        """Add to the sums of the row with this primary key."""
        self._rows.setdefault(row, Counter()).update(amounts)

    def write(self, cursor: Cursor, dialect: Dialect) -> None:
        """Add it all in the database."""
        if not self._rows:
            return
        key = [column.name for column in self._table.primary_key]
        rows = [{**dict(zip(key, row, strict=True)), **self._rows[row]} for row in sorted(self._rows)]
        _statement(dialect.name, self._table).run_many(cursor, dialect, rows)


@lru_cache
def _statement(dialect: str, table: Table) -> Statement:
    key = tuple(column.name for column in table.primary_key)
    amounts = tuple(column.name for column in table.columns if not column.primary_key)
    return Statement(adding(dialect, table, key, amounts), [*key, *amounts])
