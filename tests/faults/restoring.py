"""A deployment of real processes whose stores can be backed up and put back, on SQLite files and on PostgreSQL."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from tests.gateway.conftest import POSTGRES, _dsn, postgres_databases
from tests.processes import Process, Stack, answers, stack
from tests.world import Clock, GatewayServer, World

STORES = ("main", "keys", "dashboard")


@dataclass
class Backups:
    """The stores by name, their addresses, and what was copied of them. Nothing may run while one is put back."""

    urls: dict[str, str]
    folder: Path
    postgres: dict[str, str] = field(default_factory=dict)

    def take(self, *names: str) -> None:
        """Copy these stores: SQLite with its backup API, PostgreSQL as a template."""
        for name in names:
            path = make_url(self.urls[name]).database or ""
            if self._is_sqlite(name):
                with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(self._file(name))) as target:
                    source.backup(target)
            else:
                self.postgres[name] = f"{path}_{secrets.token_hex(3)}"
                self._admin(f'CREATE DATABASE "{self.postgres[name]}" TEMPLATE "{path}"')

    def restore(self, *names: str) -> None:
        """Put the copies in the place of these stores."""
        for name in names:
            path = make_url(self.urls[name]).database or ""
            if self._is_sqlite(name):
                for suffix in ("-wal", "-shm"):
                    Path(path + suffix).unlink(missing_ok=True)
                shutil.copyfile(self._file(name), path)
            else:
                self._admin(f'DROP DATABASE "{path}" WITH (FORCE)')
                self._admin(f'CREATE DATABASE "{path}" TEMPLATE "{self.postgres[name]}"')

    def close(self) -> None:
        """Drop the copies."""
        for name in self.postgres.values():
            self._admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def rows(self, name: str, query: str, **values: Any) -> list[Any]:
        """What a store holds now, read past every process of ours."""
        engine = create_engine(self.urls[name])
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(query), values).all())
        finally:
            engine.dispose()

    def _is_sqlite(self, name: str) -> bool:
        return self.urls[name].startswith("sqlite")

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.backup"

    @staticmethod
    def _admin(statement: str) -> None:
        with psycopg.connect(_dsn(POSTGRES), autocommit=True) as connection:
            connection.execute(statement)


@dataclass
class Deployment:
    """The gateway as a process, the dashboard in this one, and the backups of yesterday."""

    running: Stack
    world: World
    backups: Backups
    gateway: Process
    secrets: dict[str, str] = field(default_factory=dict)
    keys: dict[str, UUID] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        """The gateway's journal."""
        return self.running.folder / "instance" / "gateway-journal.jsonl"

    def start(self) -> None:
        """Start the gateway, if it does not run."""
        if self.gateway.popen.poll() is not None:
            self.gateway = self.running.start_gateway()

    def begin(self) -> Process:
        """Start the gateway without waiting for it."""
        self.gateway = self.running.start("gateway", "-m", "anuma_dash.embedded.gateway")
        return self.gateway

    def serves(self) -> bool:
        """Whether the gateway answers."""
        return answers(f"{self.running.gateway}/healthz")

    def restored(self, *names: str, look: Callable[[], None] = lambda: None) -> None:
        """Put yesterday's backups of these stores back, look at what they brought back, and start."""
        if self.gateway.popen.poll() is None:
            self.gateway.kill()
        self.backups.restore(*names)
        look()
        self.start()


@contextmanager
def deployment(folder: Path, engine: str) -> Iterator[Deployment]:
    """One deployment with its cast; the gateway's stores are on this engine, the dashboard's on SQLite."""
    with postgres_databases(2 if engine == "postgresql" else 0) as databases:
        urls = dict(zip(("main", "keys"), databases, strict=False))
        names = {"main": "ANUMA_GATEWAY_DATABASE_URL", "keys": "ANUMA_GATEWAY_KEYS_DATABASE_URL"}
        environment = {names[name]: url for name, url in urls.items()}
        with stack(folder, ANUMA_GATEWAY_DELETION_BATCH="1", **environment) as running:
            settings = Settings.from_environment(running.environment)
            migrate(settings.database_url)
            urls.setdefault("main", f"sqlite:///{settings.instance}/gateway.sqlite")
            urls.setdefault("keys", f"sqlite:///{settings.instance}/gateway-keys.sqlite")
            urls["dashboard"] = settings.database_url
            gateway = running.start_gateway()
            server = GatewayServer(running.gateway, "", settings.jwt_key_file)
            with (
                closing(server),
                closing(World(settings, server, Clock())) as world,
                closing(Backups(urls, folder)) as backups,
            ):
                world.populate()
                yield Deployment(running, world, backups, gateway)
