"""The database: engine, declarative base, transactions, and the one way to reach an account's objects."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Engine,
    ForeignKey,
    MetaData,
    Select,
    TypeDecorator,
    create_engine,
    event,
    exists,
    select,
)
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, declared_attr, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from anuma_dash.errors import NotAllowed

BUSY_TIMEOUT_MILLISECONDS = 5000
LOOKING_ONLY = "In a support session you can look, and change nothing."
looking_only: ContextVar[bool] = ContextVar("looking_only", default=False)
"""Whether whoever acts in this thread may only look: then there is no write transaction, except to record that."""


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC time on every engine. SQLite stores no offset, so it is put back when reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Refuse naive times: they are always a mistake here."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """The stored time, aware."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Every table of the dashboard."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: UTCDateTime()}


def new_id() -> UUID:
    """A new identifier (UUIDv7, RFC 9562): sorts by the time it was made."""
    return uuid_utils.compat.uuid7()


def id_of(text: str | None) -> UUID | None:
    """The identifier that a text spells; None if it spells none."""
    try:
        return UUID(text or "")
    except ValueError:
        return None


class Owned:
    """A row that belongs to one account. Such rows are reached through `owned()` only."""

    @declared_attr
    def account_id(cls) -> Mapped[UUID]:
        """The account that owns the row."""
        return mapped_column(ForeignKey("accounts.id"), index=True)


OwnedModel = TypeVar("OwnedModel", bound=Owned)


def owned(model: type[OwnedModel], account_id: UUID) -> Select[OwnedModel]:
    """Select rows of `model` that belong to this account: to another account, they do not exist."""
    return select(model).where(model.account_id == account_id)


def unnamed(model: type[Base]) -> list[ColumnElement[bool]]:
    """That no row of another table holds a row of `model` fast; those that go with it (ON DELETE CASCADE) do not."""
    (own,) = model.__table__.primary_key
    keys = [key for table in Base.metadata.tables.values() for key in table.foreign_keys if key.column is own]
    return [~exists().where(key.parent == own) for key in keys if key.ondelete != "CASCADE"]


class Database:
    """One database, by URL: SQLite (one machine) or PostgreSQL."""

    def __init__(self, url: str) -> None:
        if url.startswith("postgresql://"):
            url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        self.sqlite = url.startswith("sqlite")
        if self.sqlite:
            _make_private(url)
        options: dict[str, Any] = {} if self.sqlite else {"pool_pre_ping": True, "pool_size": 10}
        self.engine: Engine = create_engine(url, **options)
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin)

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Session]:
        """One write transaction: committed at the end, rolled back on any error.

        On SQLite it is BEGIN IMMEDIATE, because a deferred transaction that turns into a writer loses to any
        other writer. `durable=True` waits until the commit is on disk (FULL synchronous): for what a person is
        told is true - acknowledged controls, revocations, deletions. Raises `NotAllowed` in a support session.
        """
        if looking_only.get():
            raise NotAllowed(LOOKING_ONLY)
        with self.recording(durable=durable) as session:
            yield session

    @contextmanager
    def recording(self, *, durable: bool = False) -> Iterator[Session]:
        """A transaction that writes what is recorded of looking; somebody who may only look has no other."""
        with self.engine.connect() as connection:
            if self.sqlite:
                _set_synchronous(connection, "FULL" if durable else "NORMAL")
            connection = connection.execution_options(anuma_write=True)
            with Session(connection, expire_on_commit=False) as session, session.begin():
                yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One read-only view of the data. Writing through it is an error."""
        with Session(self.engine, expire_on_commit=False, autoflush=False) as session:
            event.listen(session, "before_flush", _refuse_to_write)
            yield session

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _make_private(url: str) -> None:
    # The file holds names and addresses; SQLite gives its log and its index the permissions of the file.
    path = make_url(url).database
    if not path or path == ":memory:":
        return
    # Only ever on a new file: closing a descriptor would drop the locks that this process holds on an open database.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _set_synchronous(connection: Connection, level: str) -> None:
    # The pragma is ignored inside a transaction, so it is set on the raw connection before one begins.
    cursor = connection.connection.cursor()
    cursor.execute(f"PRAGMA synchronous={level}")
    cursor.close()


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("anuma_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _refuse_to_write(session: Session, *_: object) -> None:
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("a reading session cannot write")
