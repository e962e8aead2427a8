"""One gateway over real sockets, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

from anuma_dash.embedded.gateway.app import create_app
from anuma_dash.embedded.gateway.core import Gateway
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.settings import Settings
from tests.gateway.dashboard import Dashboard, Signer
from tests.gateway.provider import FakeProvider
from tests.servers import serve

POSTGRES = os.environ.get("ANUMA_TEST_POSTGRES", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")


T = TypeVar("T")


class TestClock:
    """Goes on by itself, and can be moved."""

    __test__ = False

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._offset = timedelta()

    def __call__(self) -> datetime:
        with self._turn:
            return datetime.now(UTC) + self._offset

    def advance(self, **duration: float) -> None:
        with self._turn:
            self._offset += timedelta(**duration)

    def pass_midnight(self) -> None:
        """Go past the next midnight (UTC) if it is near, so that a test sees one day."""
        if (self() + timedelta(minutes=10)).date() != self().date():
            self.advance(minutes=11)


def wait_until(condition: Callable[[], T], seconds: float = 60.0) -> T:
    """Ask again and again until the answer is true; the last answer is returned."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return answer


def finished(dashboard: Dashboard, account: str, deletion: dict[str, Any]) -> dict[str, Any]:
    """The deletion once it is at its end, whichever that is."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = dashboard.get(account, f"/deletions/{deletion['id']}")
        return found if found["state"] in ("verified", "failed") else None

    found = wait_until(look)
    assert found is not None
    return found


@dataclass
class Running:
    """A served gateway with its dashboard, its clock and its fake provider."""

    base_url: str
    dashboard: Dashboard
    clock: TestClock
    settings: Settings
    gateway: Gateway
    provider: FakeProvider
    http: httpx.Client

    def chat(self, secret: str, text: str = "hello", **fields: Any) -> httpx.Response:
        """One plain chat completion."""
        body = {"model": "anuma/echo", "messages": [{"role": "user", "content": text}]} | fields
        headers = {"authorization": f"Bearer {secret}", **body.pop("headers", {})}
        return self.http.post("/v1/chat/completions", json=body, headers=headers)


def _postgres_missing() -> str | None:
    try:
        with psycopg.connect(_dsn(POSTGRES), connect_timeout=30):
            return None
    except psycopg.OperationalError as error:
        return f"PostgreSQL cannot be reached ({type(error).__name__}); set ANUMA_TEST_POSTGRES"


def _dsn(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def postgres_databases(count: int) -> Iterator[list[str]]:
    """Scratch databases, dropped at the end."""
    names = [f"anuma_test_{secrets.token_hex(6)}" for _ in range(count)]
    with psycopg.connect(_dsn(POSTGRES), autocommit=True) as connection:
        for name in names:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            # What survives a power cut is proved on a cluster that is stopped so (faults/cluster.py).
            connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        try:
            url = make_url(POSTGRES)
            yield [url.set(database=name).render_as_string(hide_password=False) for name in names]
        finally:
            for name in names:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_urls(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment's database settings: none for SQLite files, two scratch databases on PostgreSQL."""
    if request.param == "sqlite":
        yield {}
        return
    missing = _postgres_missing()
    if missing and not os.environ.get("CI"):
        pytest.skip(missing)
    with postgres_databases(2) as (main, keys):
        yield {"ANUMA_GATEWAY_DATABASE_URL": main, "ANUMA_GATEWAY_KEYS_DATABASE_URL": keys}


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeProvider]:
    """One provider for all: its behavior goes by the model that is asked for."""
    fake = FakeProvider()
    with serve(fake) as fake.base_url:
        yield fake


@pytest.fixture(scope="session")
def running(
    database_urls: dict[str, str], provider: FakeProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One gateway per database; tests make accounts of their own in it."""
    with run_gateway(tmp_path_factory.mktemp("gateway"), provider, database_urls) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def served(provider: FakeProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One gateway on SQLite, for tests to which the database is all the same."""
    with run_gateway(tmp_path_factory.mktemp("served"), provider, {}) as gateway:
        yield gateway


@pytest.fixture
def dashboard(running: Running) -> Dashboard:
    return running.dashboard


@contextmanager
def run_gateway(instance: Path, provider: FakeProvider, environ: dict[str, str]) -> Iterator[Running]:
    """Serve a gateway in this process."""
    settings = load_settings(
        {
            "ANUMA_INSTANCE": str(instance),
            "ANUMA_GATEWAY_LOG_TO_STDERR": "no",
            "ANUMA_GATEWAY_PROVIDERS": provider.configuration(),
            "ANUMA_GATEWAY_PURGE_MINUTES": "0",  # tests say when
            **environ,
        }
    )
    signer, clock = Signer(), TestClock()
    signer.publish(settings.trusted_jwks_file)
    app = create_app(settings, clock)
    with serve(app) as base_url, httpx.Client(base_url=base_url, timeout=30, trust_env=False, verify=False) as http:
        dashboard = Dashboard(base_url, signer, lambda: clock().timestamp())
        try:
            yield Running(base_url, dashboard, clock, settings, app.gateway, provider, http)
        finally:
            dashboard.close()
