"""Checking an API key among many and among few, by the gateway's own code on its own tables."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert, text

from anuma_dash.embedded.gateway import api_keys as key_format
from anuma_dash.embedded.gateway.accounts import add_account
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.identifiers import utc_now, uuid7
from anuma_dash.embedded.gateway.migrations import migrate
from anuma_dash.embedded.gateway.public.admission import admit
from anuma_dash.embedded.gateway.stores import Store
from anuma_dash.embedded.gateway.tables import api_keys
from benchmarks.figures import Effort, Figure, interleaved, ratios
from benchmarks.lab import Lab
from tests.databases import postgres_missing
from tests.gateway.conftest import postgres_databases

_SAMPLE = 1000


def measure(effort: Effort, _lab: Lab) -> list[Figure]:
    """On SQLite, and on PostgreSQL where it can be reached."""
    name = f"key check at {effort.many_keys:,} ÷ {effort.few_keys:,} keys"
    figures = []
    for engine, databases in (("SQLite", _sqlite), ("PostgreSQL", _postgres)):
        missing = postgres_missing() if engine == "PostgreSQL" else None
        if missing:
            figures.append(Figure(f"{name}, {engine}", 1.5, [], next_step=missing))
            continue
        with databases() as (many, few):
            arms = {"many": _checking(many, effort.many_keys, effort), "few": _checking(few, effort.few_keys, effort)}
            took = interleaved(arms, effort.rounds)
            next_step = "Next: a covering index on the fingerprint, so that a check reads one page less."
            figures.append(Figure(f"{name}, {engine}", 1.5, ratios(took["many"], took["few"]), next_step=next_step))
            many.close()
            few.close()
    return figures


def _checking(store: Store, count: int, effort: Effort) -> Callable[[], float]:
    known = _fill(store, count)

    def check() -> float:
        chosen = random.choices(known, k=5 * effort.calls)
        admit(store, known[0], utc_now())
        began = time.perf_counter()
        for secret in chosen:
            admit(store, secret, utc_now())
        return time.perf_counter() - began

    return check


@contextmanager
def _sqlite() -> Iterator[tuple[Store, Store]]:
    with tempfile.TemporaryDirectory() as many, tempfile.TemporaryDirectory() as few:
        yield _store(Path(many), {}), _store(Path(few), {})


@contextmanager
def _postgres() -> Iterator[tuple[Store, Store]]:
    with tempfile.TemporaryDirectory() as folder, postgres_databases(4) as names:
        stores = []
        for main, keys in (names[:2], names[2:]):
            urls = {"ANUMA_GATEWAY_DATABASE_URL": main, "ANUMA_GATEWAY_KEYS_DATABASE_URL": keys}
            stores.append(_store(Path(folder), urls))
        yield stores[0], stores[1]


def _store(folder: Path, urls: dict[str, str]) -> Store:
    settings = load_settings({"ANUMA_INSTANCE": str(folder), **urls})
    migrate(settings)
    return Store("main database", settings.database_url.get_secret_value())


def _fill(store: Store, count: int) -> list[str]:
    """So many keys of one account; the secrets of those that are asked for."""
    now = utc_now()
    account = uuid7(now)
    with store.write() as connection:
        app = add_account(connection, account, now, name="Northwind", status="active", updated_at=now)
    known = [key_format.new_secret("live") for _ in range(min(count, _SAMPLE))]
    rows = [_row(account, app, number, secret, now) for number, secret in enumerate(known)]
    with store.write() as connection:
        connection.execute(insert(api_keys), rows)
        others = {"account": account.hex, "app": app.hex, "count": count - len(known)}
        connection.execute(text(_OTHERS[store.dialect.name]), others)
    with store.engine().connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    return known


_OTHERS = {
    "sqlite": """
        INSERT INTO api_keys (id, account_id, app_id, fingerprint, name, environment, prefix, last_four, created_at)
        WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
        SELECT printf('%032x', n), :account, :app, randomblob(32), 'key', 'live', 'anuma_live_0000', '0000',
               '2026-01-01 00:00:00.000000'
        FROM numbers WHERE :count > 0
    """,
    "postgresql": """
        INSERT INTO api_keys (id, account_id, app_id, fingerprint, name, environment, prefix, last_four, created_at)
        SELECT gen_random_uuid(), CAST(:account AS uuid), CAST(:app AS uuid),
               sha256(CAST(CAST(n AS text) AS bytea)), 'key', 'live', 'anuma_live_0000', '0000', now()
        FROM generate_series(1, CAST(:count AS integer)) AS n
    """,
}
"""Keys that nobody asks for, made in SQL: a million in seconds."""


def _row(account: UUID, app: UUID, number: int, secret: str, now: object) -> dict[str, object]:
    return {
        "id": UUID(int=(7 << 76) | (2 << 62) | (number << 80)),
        "account_id": account,
        "app_id": app,
        "fingerprint": key_format.fingerprint(secret),
        "name": f"key {number}",
        "environment": "live",
        "prefix": "anuma_live_0000",
        "last_four": "0000",
        "created_at": now,
    }
