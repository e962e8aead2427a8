"""A fresh, migrated database for every test: a copied SQLite file, or one PostgreSQL database that is emptied."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

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
        try:
            database = Postgres(server.set(database=name))
            yield database
            database.close()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _dsn(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
