"""A fresh, migrated database for every test: a copied SQLite file, or one PostgreSQL database that is emptied."""

from __future__ import annotations

import os
import secrets
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url

from anuma_dash.db import Database
from anuma_dash.migrations import migrate

POSTGRES_URL = os.environ.get("ANUMA_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


class SQLite:
    """Copies one migrated file."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.sqlite"
        migrate(f"sqlite:///{self._template}")

    def fresh(self, folder: Path) -> str:
        """The URL of a new database in this folder."""
        path = folder / "dashboard.sqlite"
        shutil.copyfile(self._template, path)
        return f"sqlite:///{path}"


class Postgres:
    """Empties one migrated database. Its role must be a superuser, to empty tables that refuse deletes."""

    def __init__(self, database: URL) -> None:
        self._url = database.render_as_string(hide_password=False)
        migrate(self._url)
        self._connection = psycopg.connect(_dsn(database), autocommit=True)
        self._statement = self._emptying()

    def _emptying(self) -> sql.Composable:
        # `replica` lets triggers and foreign keys rest; rows that the migrations made are put back.
        run = self._connection.execute
        run("SET session_replication_role = replica")
        run("SET lock_timeout = '10s'")
        names = run("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")
        tables = [sql.Identifier(name) for (name,) in names]
        run("CREATE SCHEMA pristine")
        steps: list[sql.Composable] = [sql.SQL("DELETE FROM {}").format(table) for table in tables]
        for table in tables:
            if run(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(table)).fetchone():
                run(sql.SQL("CREATE TABLE pristine.{} AS TABLE {}").format(table, table))
                steps.append(sql.SQL("INSERT INTO {} TABLE pristine.{}").format(table, table))
        return sql.SQL("; ").join(steps)

    def fresh(self, _: Path) -> str:
        """The URL of the database, as empty as the migrations left it."""
        self._connection.execute(self._statement)
        return self._url

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()


class Lent:
    """A `Database` for one test after another: what its engine has compiled, and open on PostgreSQL, serves the next.

    Each test gets an engine of its own before the shared one, so that what it listens to ends with it.
    """

    _resting: ClassVar[dict[str, list[Lent]]] = defaultdict(list)

    def __init__(self, url: str) -> None:
        self._shared = Database(url)
        self._kind = _kind(url)
        self._file: str | None = None
        if self._shared.sqlite:
            event.listen(self._shared.engine, "do_connect", self._to_the_file_of_the_test)
        # Whether a connection still lives is not asked at each use: nobody restarts the server meanwhile.
        self._shared.engine.pool._pre_ping = False

    @classmethod
    def to_a_test(cls, url: str) -> Lent:
        """One that nobody else has, at this URL."""
        resting = cls._resting[_kind(url)]
        lent = resting.pop() if resting else cls(url)
        lent._file = make_url(url).database
        lent.database = copy(lent._shared)
        lent.database.engine = lent._shared.engine.execution_options()
        lent.database.engine.url = lent._shared.engine.url.set(database=lent._file)
        return lent

    def give_back(self) -> None:
        """The test has ended."""
        engine = self._shared.engine
        for name in ("checkout", "checkin"):  # those belong to the pool, and would be called for all who come after
            getattr(engine.pool.dispatch, name).for_modify(engine.pool.dispatch).clear()
        if self._shared.sqlite or engine.pool.checkedout():  # type: ignore[attr-defined]
            engine.dispose()
        self._resting[self._kind].append(self)

    def _to_the_file_of_the_test(self, _dialect: Any, _record: Any, arguments: list[Any], _named: Any) -> None:
        arguments[0] = self._file


def _kind(url: str) -> str:
    return "sqlite" if url.startswith("sqlite") else url


def postgres_missing() -> str | None:
    """What keeps the tests from using PostgreSQL; None if nothing does."""
    try:
        with psycopg.connect(_dsn(make_url(POSTGRES_URL)), connect_timeout=30):
            return None
    except psycopg.OperationalError as error:
        return f"PostgreSQL cannot be reached at ANUMA_TEST_POSTGRES ({type(error).__name__})"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A database of its own on the server, dropped at the end."""
    name = f"anuma_test_{secrets.token_hex(6)}"
    server = make_url(POSTGRES_URL)
    with psycopg.connect(_dsn(server), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        # What survives a power cut is proved on a cluster that is stopped so (faults/cluster.py); nobody waits here.
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
        try:
            database = Postgres(server.set(database=name))
            yield database
            database.close()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
