"""Raw search of every store: is this string still there, in any file, table or log?

Before a search counts, it has to find control strings that were planted for it: one inside the database file, one in
the write-ahead log. Files are read by another process (`scanner.py` says why); if that fails, nothing is proven.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, NonNegativeInt
from sqlalchemy import Connection, Table, delete, insert, text

from anuma_dash.gateway.schemas import Unreachable

from . import scanner
from .identifiers import uuid7
from .logs import Log
from .stores import Store, Stores
from .tables import keys_scratch, main_scratch

_CHUNK_BYTES: Final = 1 << 20
_SCANNER: Final = Path(scanner.__file__)
_SCAN_SECONDS: Final = 60.0
_SCAN_BYTES_PER_SECOND: Final = 2 << 20
"""Slower than any disk: a scan that takes longer hangs."""
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
            results.append(self._files("log files", self._log.files(), pieces, [control.encode()]))
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
                return self._files(store.name, _sqlite_files(store.sqlite_file), pieces, controls)
            with store.read() as connection:
                searched, found = scanner.find(_read_tables(connection), [*pieces, *controls])
                return _searched(store.name, searched, found, pieces, controls)

    def _files(self, store: str, files: list[Path], pieces: Sequence[bytes], controls: Sequence[bytes]) -> Searched:
        try:
            searched, found = _scan(files, [*pieces, *controls])
        except (OSError, subprocess.SubprocessError, ValueError, LookupError) as error:
            self._log.error("search_failed", error, store=store)
            return Searched(store, 0, frozenset(), control_found=False)
        return _searched(store, searched, found, pieces, controls)


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


def _searched(
    store: str, searched: int, found: set[bytes], pieces: Sequence[bytes], controls: Sequence[bytes]
) -> Searched:
    return Searched(store, searched, frozenset(found.intersection(pieces)), found.issuperset(controls))


def _sqlite_files(file: Path) -> list[Path]:
    """The write-ahead log first: what a checkpoint moves meanwhile is then met in the file."""
    return [file.with_name(file.name + suffix) for suffix in ("-wal", "-journal", "")]


class _Answer(BaseModel):
    searched_bytes: NonNegativeInt
    found: list[NonNegativeInt]


def _scan(files: list[Path], wanted: Sequence[bytes]) -> tuple[int, set[bytes]]:
    order = {"files": [os.fsencode(file).hex() for file in files], "wanted": [piece.hex() for piece in wanted]}
    ended = subprocess.run(  # noqa: S603 - our own file, and nothing from outside in the arguments
        [sys.executable, "-I", "-S", _SCANNER],
        input=json.dumps(order).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_SCAN_SECONDS + sum(map(_size, files)) / _SCAN_BYTES_PER_SECOND,
        start_new_session=True,  # a signal to the gateway's group is not for it
        check=True,
    )
    answer = _Answer.model_validate_json(ended.stdout, strict=True)
    return answer.searched_bytes, {wanted[place] for place in answer.found}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


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
