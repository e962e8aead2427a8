"""The two databases: reading, writing, and writing that survives a power cut."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Insert, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""What a database that is down, locked or full raises."""

_BUSY_SECONDS = 5.0
_POSTGRES_OPTIONS = "-c lock_timeout=10s -c timezone=UTC"


class Store:
    """One database, SQLite or PostgreSQL.

    SQLite: write-ahead log, writes begin with BEGIN IMMEDIATE one at a time, deleted bytes are overwritten. Ordinary
    writes survive the death of the process; durable ones (synchronous=FULL) also a power cut. PostgreSQL gives both.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        parsed = make_url(url)
        self.sqlite_file = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
        self._turn = threading.Lock()
        if self.sqlite_file is None:
            engine = create_engine(
                parsed,
                hide_parameters=True,
                pool_size=8,
                max_overflow=8,
                pool_pre_ping=True,
                connect_args={"connect_timeout": int(_BUSY_SECONDS), "options": _POSTGRES_OPTIONS},
            )
            self._reading = self._writing = self._durable = engine
        else:
            self._reading = _sqlite_engine(url, "DEFERRED", "NORMAL")
            self._writing = _sqlite_engine(url, "IMMEDIATE", "NORMAL")
            self._durable = _sqlite_engine(url, "IMMEDIATE", "FULL")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One reading transaction."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """One writing transaction, committed at the end. What somebody is told "is in effect" must be `durable`."""
        engine = self._durable if durable else self._writing
        if self.sqlite_file is None:
            with engine.begin() as connection:
                yield connection
        else:  # waiting here is fair and quick; SQLite's own busy handler sleeps and polls
            with self._turn, engine.begin() as connection:
                yield connection

    def checkpoint(self) -> bool:
        """Empty SQLite's write-ahead log into the file; false while a reader is in the way. Nothing on PostgreSQL."""
        if self.sqlite_file is None:
            return True
        with self._turn, self._durable.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            busy: int = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return busy == 0

    def engine(self) -> Engine:
        """The engine of durable writes, for migrations."""
        return self._durable

    def close(self) -> None:
        """Close all connections."""
        for engine in {self._reading, self._writing, self._durable}:
            engine.dispose()


@dataclass(frozen=True)
class Stores:
    """The main database and the key database."""

    main: Store
    keys: Store

    def close(self) -> None:
        """Close all connections."""
        self.main.close()
        self.keys.close()


def add_up(connection: Connection, table: Table, row: Mapping[str, Any], sums: Mapping[str, int]) -> None:
    """Add to the sums of a rollup row, making the row if there is none.

    Args:
        row: the primary key's values.
        sums: what to add per column; negative to take away.
    """
    statement = _adding(connection.dialect.name, table, tuple(row), tuple(sums))
    connection.execute(statement, {**row, **sums})


@lru_cache
def _adding(dialect: str, table: Table, keys: tuple[str, ...], sums: tuple[str, ...]) -> Insert:
    """Built once: making a statement takes longer than executing it."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    added = {name: table.c[name] + insert.excluded[name] for name in sums}
    statement: Insert = insert.on_conflict_do_update(index_elements=list(keys), set_=added)
    return statement


def _sqlite_engine(url: str, begin: Literal["DEFERRED", "IMMEDIATE"], synchronous: Literal["NORMAL", "FULL"]) -> Engine:
    engine = create_engine(
        url, hide_parameters=True, pool_size=8, max_overflow=8, connect_args={"timeout": _BUSY_SECONDS}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's "begin" event below starts transactions, not the driver
        for pragma in ("journal_mode=WAL", f"synchronous={synchronous}", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine
