"""Raw search of every store: is this string still there, in any file, table or log?

Before a search counts, it has to find control strings that were planted for it: one inside the database file, one in
the write-ahead log.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, insert, text

from anuma_dash.gateway.schemas import Unreachable

from .identifiers import uuid7
from .logs import Log
from .stores import Store, Stores
from .tables import keys_scratch, main_scratch

_CHUNK_BYTES: Final = 1 << 20
_USER_TABLES: Final = """
    SELECT quote_ident(schemaname) || '.' || quote_ident(tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""


@dataclass(frozen=True)
class Searched:
    """One store: how much was read, which pieces were there, and whether the control strings were found."""

    store: str
    searched_bytes: int
    found: frozenset[bytes]
    control_found: bool


class Search:
    """Searches both databases and the log files."""

    def __init__(self, stores: Stores, log: Log) -> None:
        self._stores = stores
        self._log = log

    def look_for(self, pieces: Sequence[bytes], now: datetime) -> list[Searched]:
        """Search every store for these pieces. It reads all there is: run it in a thread."""
        results = [
            self._database(self._stores.main, main_scratch, pieces, now),
            self._database(self._stores.keys, keys_scratch, pieces, now),
        ]
        if self._log.file is not None:
            control = _control_string()
            self._log.info("search_control", planted=control)
            files = _read_files(self._log.files())
            results.append(_search("log files", files, pieces, [control.encode()]))
        return results

    def unreachable(self) -> list[Unreachable]:
        """What no search from here can look into."""
        reason = "The operating system gives no access. What was stored there was encrypted."
        places = [("freed blocks and snapshots of the disks", reason)]
        if self._log.to_stderr:
            reason = "Whoever runs the gateway collects it. The gateway writes no content there."
            places.append(("standard error of the gateway", reason))
        if self._stores.main.sqlite_file is None:
            reason = "The server gives no access to them. What was stored there was encrypted."
            places.append(("PostgreSQL's write-ahead log and free pages", reason))
        return [Unreachable(place=place, reason=reason) for place, reason in places]

    def _database(self, store: Store, scratch: Table, pieces: Sequence[bytes], now: datetime) -> Searched:
        with _planted(store, scratch, now) as controls:
            if store.sqlite_file is not None:
                return _search(store.name, _read_files(_sqlite_files(store.sqlite_file)), pieces, controls)
            with store.read() as connection:
                return _search(store.name, _read_tables(connection), pieces, controls)


@contextmanager
def _planted(store: Store, scratch: Table, now: datetime) -> Iterator[list[bytes]]:
    rows = [{"id": uuid7(now), "planted": _control_string()} for _ in range(2)]
    try:
        for row in rows:
            with store.write() as connection:
                connection.execute(insert(scratch).values(row))
            if row is rows[0]:
                store.checkpoint()  # into the file; the second one stays in the write-ahead log
        yield [str(row["planted"]).encode() for row in rows]
    finally:
        with store.write() as connection:
            connection.execute(delete(scratch).where(scratch.c.id.in_([row["id"] for row in rows])))
        store.checkpoint()


def _control_string() -> str:
    return f"control-{secrets.token_hex(20)}"


def _search(store: str, chunks: Iterable[bytes], pieces: Sequence[bytes], controls: Sequence[bytes]) -> Searched:
    wanted = {*pieces, *controls}
    overlap = max(len(piece) for piece in wanted) - 1
    found: set[bytes] = set()
    searched, tail = 0, b""
    for chunk in chunks:
        searched += len(chunk)
        window = tail + chunk
        found |= {piece for piece in wanted - found if piece in window}
        tail = window[-overlap:]
    return Searched(store, searched, frozenset(found.intersection(pieces)), found.issuperset(controls))


def _sqlite_files(file: Path) -> list[Path]:
    """The write-ahead log first: what a checkpoint moves meanwhile is then met in the file."""
    return [file.with_name(file.name + suffix) for suffix in ("-wal", "-journal", "")]


def _read_files(files: Iterable[Path]) -> Iterator[bytes]:
    for path in files:
        try:
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except FileNotFoundError:
            continue


def _read_tables(connection: Connection) -> Iterator[bytes]:
    """Every row of every table, as PostgreSQL's binary copy: text and bytes stand in it as they are."""
    tables = connection.scalars(text(_USER_TABLES)).all()
    raw: Any = connection.connection.dbapi_connection
    for table in tables:
        pending = bytearray()
        with raw.cursor() as cursor, cursor.copy(f"COPY {table} TO STDOUT (FORMAT binary)") as rows:
            for row in rows:
                pending += row
                if len(pending) >= _CHUNK_BYTES:
                    yield bytes(pending)
                    pending.clear()
        yield bytes(pending)
