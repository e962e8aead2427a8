"""Two web workers against one: pages a second, with PostgreSQL and Redis as in production."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import load
from benchmarks.dashboard import COOKIE, customer
from benchmarks.figures import Effort, Figure, interleaved, ratios
from benchmarks.lab import Lab
from tests.databases import postgres, postgres_missing
from tests.processes import Stack, answers, free_port, wait_until

CLIENTS = 8
_PAGE = "/activity"
_REDIS_PORT = 6379
_NAME = "2 web workers ÷ 1: pages a second, 8 clients, PostgreSQL and Redis"


def measure(effort: Effort, lab: Lab) -> list[Figure]:
    """Both serve the same page of the same database; the one that is not measured is idle meanwhile."""
    missing = postgres_missing() or _redis_missing()
    if missing:
        return [Figure(_NAME, 1.7, [], at_least=True, next_step=missing)]
    with tempfile.TemporaryDirectory() as folder, postgres() as database, ExitStack() as stopping:
        url = database.fresh(Path(folder))
        more = {"ANUMA_DATABASE_URL": url, "ANUMA_REDIS_URL": f"redis://127.0.0.1:{_REDIS_PORT}/0"}
        found = replace(lab.stack, environment=lab.stack.environment | more, processes={})
        stopping.callback(found.stop)
        who = stopping.enter_context(customer(found))
        one, two = (stopping.enter_context(_workers(found, count)) for count in (1, 2))
        took = interleaved(
            {"one": lambda: _spent(one, who.token, effort), "two": lambda: _spent(two, who.token, effort)},
            effort.rounds,
        )
    return [Figure(_NAME, 1.7, ratios(took["one"], took["two"]), at_least=True, next_step=_next_step())]


def _next_step() -> str:
    cores = os.cpu_count() or 1
    if cores < 4:
        return (
            f"This machine has {cores} cores, and PostgreSQL and the client need some of the second one: two workers "
            "cannot have two. Next: measure on four cores or more."
        )
    return "Next: look for what the workers wait for together."


def _spent(url: str, token: str, effort: Effort) -> float:
    request = load.get(f"{url}{_PAGE}", {"Cookie": f"{COOKIE}={token}"})
    connections = [load.Connection(url) for _ in range(CLIENTS)]
    load.run(connections, request, CLIENTS)
    found = load.run(connections, request, 2 * effort.calls)
    for connection in connections:
        connection.close()
    return found.seconds


@contextmanager
def _workers(found: Stack, count: int) -> Iterator[str]:
    url = f"http://localhost:{free_port()}"
    process = found.start(
        f"web-{count}",
        *("-m", "gunicorn", "--no-control-socket", "--worker-class", "gthread", "--threads", "8"),
        *("--workers", str(count), "--bind", url.removeprefix("http://"), "--keep-alive", "60"),
        *("--log-level", "warning", "wsgi:app"),
    )
    wait_until(lambda: answers(f"{url}/healthz"), f"{count} web workers answer", 60)
    yield url
    process.stop()


def _redis_missing() -> str | None:
    try:
        with socket.create_connection(("127.0.0.1", _REDIS_PORT), 2):
            return None
    except OSError:
        return "Redis cannot be reached."
