"""The request log of an account with a million rows against one with ten thousand: first page, deep page, filters."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from anuma_dash.embedded.gateway.accounts import add_account
from anuma_dash.embedded.gateway.core import Gateway
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.identifiers import first_uuid7, utc_now, uuid7
from anuma_dash.embedded.gateway.internal.callers import Caller, Token
from anuma_dash.embedded.gateway.internal.request_filters import Filters
from anuma_dash.embedded.gateway.internal.requests import list_requests
from anuma_dash.embedded.gateway.migrations import migrate
from anuma_dash.embedded.gateway.tables import api_keys, requests
from benchmarks.figures import Effort, Figure, interleaved, ratios
from benchmarks.lab import Lab

PAGE = 50
_DAYS = 300
_RARE_ROWS = 100
"""So many rows of either log fit the rare values that are filtered by: both then show a full page."""


@dataclass(frozen=True)
class _Log:
    """The request log of one account."""

    caller: Caller
    keys: list[UUID]
    person: UUID
    middle: UUID
    """The identifier in the middle of the log."""

    def page(self, after: UUID | None = None, **filters: Any) -> Callable[[], object]:
        return lambda: list_requests(self.caller, Filters(**filters), after, PAGE)


def measure(effort: Effort, _lab: Lab) -> list[Figure]:
    """By the function that answers the internal API, on SQLite, every filter alone and the likely pairs of them."""
    figures = []
    with _log(effort.many_rows) as many, _log(effort.few_rows) as few:
        cases = {name: (of_many, _cases(few)[name]) for name, of_many in _cases(many).items()}
        for name, (of_many, of_few) in cases.items():
            arms = {"many": _timed(of_many, effort), "few": _timed(of_few, effort)}
            took = interleaved(arms, effort.rounds)
            what = f"request log at {effort.many_rows:,} ÷ {effort.few_rows:,} rows: {name}"
            figures.append(Figure(what, 1.5, ratios(took["many"], took["few"]), next_step=_NEXT))
        figures.append(_worst_pair(many, few, effort))
    return figures


_NEXT = "Next: an index that begins with the account and what is filtered by, and ends with the identifier."


def _worst_pair(many: _Log, few: _Log, effort: Effort) -> Figure:
    """Of all pairs of filters the one that suffers most from the length of the log, measured once more by itself."""

    def compare(pair: tuple[str, str], rounds: int) -> list[float]:
        arms = {name: _timed(log.page(**_both(log, pair)), effort) for name, log in (("many", many), ("few", few))}
        took = interleaved(arms, rounds)
        return ratios(took["many"], took["few"])

    pairs = [pair for pair in itertools.combinations(_FILTERS, 2) if len(_both(few, pair)) == 2]
    pairs = pairs[: effort.calls]  # all of them, unless it is only to be seen that this runs
    worst = max(pairs, key=lambda pair: statistics.median(compare(pair, min(effort.rounds, _ROUNDS_TO_CHOOSE))))
    what = f"request log at {effort.many_rows:,} ÷ {effort.few_rows:,} rows: the worst of {len(pairs)} pairs of filters"
    return Figure(f"{what} ({' and '.join(worst)})", 1.5, compare(worst, effort.rounds), next_step=_NEXT)


def _both(log: _Log, pair: tuple[str, str]) -> dict[str, Any]:
    """The two filters; of two values of the same one, the second."""
    return _FILTERS[pair[0]](log) | _FILTERS[pair[1]](log)


_ROUNDS_TO_CHOOSE = 3
_FILTERS: Mapping[str, Callable[[_Log], dict[str, Any]]] = {
    "a rare key": lambda log: {"key": log.keys[1]},
    "the usual key": lambda log: {"key": log.keys[0]},
    "a rare model": lambda log: {"model": "model-rare"},
    "the usual model": lambda log: {"model": "model-usual"},
    "a person's": lambda log: {"person": log.person},
    "failed": lambda log: {"status_class": "5xx"},
    "succeeded": lambda log: {"status_class": "2xx"},
    "stored": lambda log: {"content": "stored"},
    "not stored": lambda log: {"content": "not_stored"},
    "until ten days ago": lambda log: {"to": utc_now() - timedelta(days=10)},
    "without tests": lambda log: {"include_tests": False},
}


def _cases(log: _Log) -> Mapping[str, Callable[[], object]]:
    now = utc_now()
    return {
        "first page": log.page(),
        "deep page": log.page(log.middle),
        "a rare key": log.page(key=log.keys[1]),
        "a rare model": log.page(model="model-rare"),
        "failed (5xx)": log.page(status_class="5xx"),
        "stored content": log.page(content="stored"),
        "content not stored": log.page(content="not_stored"),
        "a person's": log.page(person=log.person),
        "ten days": log.page(from_=now - timedelta(days=20), to=now - timedelta(days=10)),
        "without tests": log.page(include_tests=False),
        "stored content of a month": log.page(content="stored", from_=now - timedelta(days=29), to=now),
        "not stored, a rare key": log.page(content="not_stored", key=log.keys[1]),
    }


def _timed(act: Callable[[], object], effort: Effort) -> Callable[[], float]:
    def run() -> float:
        act()
        times = []
        for _ in range(max(1, effort.calls // 20)):
            began = time.perf_counter()
            act()
            times.append(time.perf_counter() - began)
        return statistics.median(times)

    return run


@contextmanager
def _log(count: int) -> Iterator[_Log]:
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings({"ANUMA_INSTANCE": folder, "ANUMA_GATEWAY_LOG_TO_STDERR": "no"})
        migrate(settings)
        gateway = Gateway(settings, utc_now)
        try:
            yield _fill(gateway, count)
        finally:
            gateway.stores.close()
            gateway.log.close()


def _fill(gateway: Gateway, count: int) -> _Log:
    now = utc_now()
    account, keys, person = uuid7(now), [uuid7(now), uuid7(now)], uuid7(now)
    with gateway.stores.main.write() as connection:
        app = add_account(connection, account, now, name="Northwind", status="active", updated_at=now)
        made = [
            {"id": key, "account_id": account, "app_id": app, "fingerprint": key.bytes, "name": "k"}
            | {"environment": "live", "prefix": "anuma_live_0000", "last_four": "0000", "created_at": now}
            for key in keys
        ]
        connection.execute(insert(api_keys), made)
    _fill_requests(gateway, count, account, keys, person, now)
    token = Token("system:worker", str(account), "bench-jti", now, has_act=False, staff=None, scopes=frozenset())
    middle = first_uuid7(now - timedelta(days=_DAYS / 2))
    return _Log(Caller(account, token, gateway), keys, person, middle)


def _fill_requests(gateway: Gateway, count: int, account: UUID, keys: list[UUID], person: UUID, now: datetime) -> None:
    """In SQL, without the indexes, which are built behind: a million rows in seconds."""
    first = now - timedelta(days=_DAYS)
    milliseconds = int(first.timestamp() * 1000)
    step = timedelta(days=_DAYS) // count
    rare = f"n % {max(1, count // _RARE_ROWS)} = 0"
    values = {
        "id": f"printf('%012x7%03x8%015x', {milliseconds} + n * {step // timedelta(milliseconds=1)}, 0, n)",
        "account_id": f"'{account.hex}'",
        "created_at": f"strftime('%Y-%m-%d %H:%M:%f000', {first.replace(tzinfo=UTC).timestamp()} "
        f"+ n * {step.total_seconds()}, 'unixepoch')",
        "key_id": f"CASE WHEN {rare} THEN '{keys[1].hex}' ELSE '{keys[0].hex}' END",
        "created_by": f"CASE WHEN {rare} THEN '{person.hex}' END",
        "model": f"CASE WHEN {rare} THEN 'model-rare' ELSE 'model-usual' END",
        "status": f"CASE WHEN {rare} THEN 500 ELSE 200 END",
        "status_class": f"CASE WHEN {rare} THEN 5 ELSE 2 END",
        "outcome": f"CASE WHEN {rare} THEN 'failed' ELSE 'completed' END",
        # Stored for a part of the time, as where logging was switched on once: most of it is past its period now.
        "content_stored": f"n > {count // 3} AND n < {count * 2 // 3} OR n % 10 = 3",
        "is_test": "n % 10 = 0",
    }
    constants = {"environment": "'live'", "endpoint": "'chat/completions'", "provider": "'p'"}
    constants |= {"usage_source": "'provider'", "pricing_source": "'configuration'"}
    constants |= {"content_rule": "'account_control'", "content_level": "'account'"}
    constants |= {"provider_retention": "'none'", "provider_training": "'none'"}
    empty = ("error_class", "first_byte_ms", "other_controls", "conversation_id")
    nothing = dict.fromkeys(empty, "NULL")
    columns = {column.name: "1" for column in requests.columns} | constants | nothing | values
    numbers = f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count - 1})"
    with gateway.stores.main.write() as connection:
        indexes = list(requests.indexes)
        for index in indexes:
            index.drop(connection)
        names, sources = ", ".join(columns), ", ".join(columns.values())
        connection.execute(text(f"INSERT INTO requests ({names}) {numbers} SELECT {sources} FROM numbers"))
        for index in indexes:
            index.create(connection)
