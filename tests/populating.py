"""The cast of every world without making it anew each time: the rows that the domain made once, as somebody else's.

Making it through the domain takes longer than most tests. What it left in the database is copied for each world with
identifiers of its own, the times moved to that world's clock, and the audit log's hashes made for the new words.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row, Table, insert, select
from sqlalchemy.orm import Session

from anuma_dash.audit.chain import commitment, link_hash
from anuma_dash.audit.entries import GENESIS, AuditDetail, AuditEntry, AuditHead
from anuma_dash.db import Base, new_id
from anuma_dash.settings import Provider
from tests.factories import Person, make_cast, mark_known

_made: dict[tuple[str, str], MadeOnce] = {}


def populate(tx: Session, provider: Provider, now: datetime) -> dict[str, Person]:
    """Everybody, with both accounts, which the gateway is said to know, in an empty database."""
    made = _made.get((provider.slug, provider.issuer))
    if made is not None:
        return made.copied_to(tx, now)
    before = {table.name: tx.execute(select(table)).all() for table in Base.metadata.sorted_tables}
    people = make_cast(tx, provider, now)
    mark_known(tx, now)
    tx.flush()
    _made[provider.slug, provider.issuer] = MadeOnce(tx, before, people, now)
    return people


class MadeOnce:
    """What `make_cast` left in an empty database."""

    def __init__(
        self, tx: Session, before: dict[str, list[Row[Any]]], people: dict[str, Person], now: datetime
    ) -> None:
        self._people, self._now = people, now
        self._rows: dict[Table, list[dict[str, Any]]] = {}
        for table in Base.metadata.sorted_tables:
            rows = [row._asdict() for row in tx.execute(select(table)) if row not in before[table.name]]
            if rows:
                self._rows[table] = rows
        found = (value for rows in self._rows.values() for row in rows for value in row.values())
        self._ids = sorted({value for value in found if isinstance(value, UUID)})
        self._inserts = {table: insert(table) for table in self._rows}

    def copied_to(self, tx: Session, now: datetime) -> dict[str, Person]:
        """The same with other identifiers, as if it were made now."""
        ids = {old: new_id() for old in self._ids}
        anew = _Anew(ids, now - self._now)
        tables = {table: [anew.row(row) for row in rows] for table, rows in self._rows.items()}
        _rechain(
            *(tables[cast(Table, model.__table__)] for model in (AuditEntry, AuditDetail, AuditHead)),
        )
        for table, rows in tables.items():
            tx.execute(self._inserts[table], rows)
        return {
            key: replace(one, id=ids[one.id], account_id=ids[one.account_id] if one.account_id else None)
            for key, one in self._people.items()
        }


class _Anew:
    """Values of a row, of the world that is made now."""

    def __init__(self, ids: dict[UUID, UUID], later: Any) -> None:
        self._later = later
        self._known: dict[object, object] = {**ids, **{str(old): str(new) for old, new in ids.items()}}

    def row(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: self.value(value) for name, value in row.items()}

    def value(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return value + self._later
        if isinstance(value, dict):
            return {key: self.value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner) for inner in value]
        return self._known.get(value, value)


def _rechain(entries: list[dict[str, Any]], details: list[dict[str, Any]], heads: list[dict[str, Any]]) -> None:
    said = {detail["entry_id"]: detail for detail in details}
    last: dict[UUID, str] = {}
    for entry in sorted(entries, key=lambda one: (one["chain"], one["number"])):
        detail = said[entry["id"]]
        detail["salt"] = secrets.token_hex(32)
        entry["commitment"] = commitment(detail["salt"], detail["body"])
        entry["previous_hash"] = last.get(entry["chain"], GENESIS)
        entry["hash"] = last[entry["chain"]] = link_hash(cast(AuditEntry, SimpleNamespace(**entry)))
    for head in heads:
        head["hash"] = last[head["chain"]]
