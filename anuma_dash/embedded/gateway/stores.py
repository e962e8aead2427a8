"""The two databases: reading, writing, and writing that survives a power cut."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Insert, PoolProxiedConnection, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from .engines import postgres_engine, sqlite_engine
from .statements import Cursor, Statement

DATABASE_ERRORS = (OperationalError, InterfaceError, PoolTimeout)
"""What a database that is down, locked or full raises."""

_CHECKPOINT_WRITES = 250
"""So many writes of one request make SQLite's write-ahead log about as long as `engines` lets it become elsewhere."""


class Busy(Exception):
    """Somebody else is writing; nothing was done."""


class Store:
    """One database, SQLite or PostgreSQL.

    SQLite: write-ahead log, writes begin with BEGIN IMMEDIATE one at a time, deleted bytes are overwritten. Ordinary
    writes survive the death of the process; durable ones (synchronous=FULL) also a power cut. PostgreSQL gives both.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        parsed = make_url(url)
        self.sqlite_file = Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None
        self._turn = threading.RLock()
        self._never_waiting = False
        self._kept: PoolProxiedConnection | None = None
        self._unmoved = 0
        if self.sqlite_file is None:
            engine = postgres_engine(url, pool_pre_ping=True)
            self._reading = self._writing = self._durable = engine
            self._quick = self._instant = postgres_engine(url, isolation_level="AUTOCOMMIT")
        else:
            self._reading = sqlite_engine(url, "DEFERRED", "NORMAL")
            self._writing = sqlite_engine(url, "IMMEDIATE", "NORMAL")
            self._durable = sqlite_engine(url, "IMMEDIATE", "FULL")
            self._quick = sqlite_engine(url, "IMMEDIATE", "NORMAL", pool_reset_on_return=None)
            self._instant = sqlite_engine(url, "IMMEDIATE", "NORMAL", instant=True, pool_reset_on_return=None)
        self.dialect = self._quick.dialect

    @property
    def one_writer(self) -> bool:
        """Whether there is one write at a time, and no network in between: SQLite."""
        return self.sqlite_file is not None

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

    def look_up(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of one statement, by the driver, in no transaction but its own."""
        with self._driver_errors():
            try:
                return self._look_up(statement, values)
            except self._driver.OperationalError:
                if self.sqlite_file is not None:
                    raise
            self._quick.dispose()  # the server was restarted since: nothing happened yet, so once more
            return self._look_up(statement, values)

    def _look_up(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with closing(self._quick.raw_connection()) as connection:
            return statement.rows(connection.cursor(), self.dialect, values)

    @contextmanager
    def write_quickly(self) -> Iterator[Cursor]:
        """One writing transaction on the driver's own cursor, committed at the end."""
        turn = self._turn if self.sqlite_file is not None else nullcontext()
        with self._driver_errors(), turn:
            connection = self._begun()
            try:
                cursor = connection.cursor()
                yield cursor
                cursor.execute("COMMIT")
                self._unmoved += self._never_waiting
            except BaseException:
                self._kept = None if connection is self._kept else self._kept
                connection.invalidate()  # whatever state it is in, nobody meets it again
                raise
            finally:
                if connection is not self._kept:
                    connection.close()

    @contextmanager
    def never_waiting(self) -> Iterator[None]:
        """What this thread writes quickly meanwhile waits neither for others nor for the disk. SQLite only.

        Raises:
            Busy: it would have to. Nothing was begun.
        """
        if not self._turn.acquire(blocking=False):
            raise Busy
        self._never_waiting = True
        try:
            yield
        finally:
            self._never_waiting = False
            self._turn.release()

    def _begun(self) -> PoolProxiedConnection:
        if self._never_waiting:
            return self._begun_at_once()
        connection = self._quick.raw_connection()
        try:
            connection.cursor().execute("BEGIN IMMEDIATE" if self.sqlite_file is not None else "BEGIN")
        except self._driver.OperationalError:
            connection.invalidate()
            if self.sqlite_file is not None:
                raise
            self._quick.dispose()
            connection = self._quick.raw_connection()
            connection.cursor().execute("BEGIN")
        return connection

    def _begun_at_once(self) -> PoolProxiedConnection:
        """On a connection that is never given back: taking one takes a tenth of the time of a write."""
        if self._kept is None:
            self._kept = self._instant.raw_connection()
        try:
            self._kept.cursor().execute("BEGIN IMMEDIATE")
        except self._driver.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise Busy from None
            raise
        return self._kept

    @contextmanager
    def _driver_errors(self) -> Iterator[None]:
        """The driver's errors as SQLAlchemy's, without the values."""
        try:
            yield
        except self._driver.Error as error:
            raise DBAPIError.instance(None, None, error, self._driver.Error, hide_parameters=True) from error

    @property
    def _driver(self) -> Any:
        return self.dialect.dbapi

    def checkpoint(self) -> bool:
        """Empty SQLite's write-ahead log into the file; false while a reader is in the way. Nothing on PostgreSQL."""
        if self.sqlite_file is None:
            return True
        with self._turn, self._durable.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            busy: int = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            return busy == 0

    def due_to_move(self) -> bool:
        """Whether so much was written without waiting that `move_into_file` is due. It says so once."""
        due = self._unmoved >= _CHECKPOINT_WRITES
        if due:
            self._unmoved = 0
        return due

    def move_into_file(self) -> None:
        """Move what SQLite's write-ahead log holds into the file, as far as no reader needs it, and wait for the disk.

        Writers go on meanwhile.
        """
        with self._writing.connect() as connection:
            raw = connection.connection.dbapi_connection
            assert raw is not None
            raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")

    def engine(self) -> Engine:
        """The engine of durable writes, for migrations."""
        return self._durable

    def close(self) -> None:
        """Close all connections."""
        if self._kept is not None:
            self._kept.close()
        for engine in {self._reading, self._writing, self._durable, self._quick, self._instant}:
            engine.dispose()


@dataclass(frozen=True)
class Stores:
    """The main database and the key database."""

    main: Store
    keys: Store

    @contextmanager
    def never_waiting(self) -> Iterator[None]:
        """`Store.never_waiting` of both."""
        with self.main.never_waiting(), self.keys.never_waiting():
            yield

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
    statement = adding(connection.dialect.name, table, tuple(row), tuple(sums))
    connection.execute(statement, {**row, **sums})


@lru_cache
def adding(dialect: str, table: Table, keys: tuple[str, ...], sums: tuple[str, ...]) -> Insert:
    """The statement of `add_up`. Built once: making a statement takes longer than executing it."""
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(table)
    added = {name: table.c[name] + insert.excluded[name] for name in sums}
    statement: Insert = insert.on_conflict_do_update(index_elements=list(keys), set_=added)
    return statement
