"""What the worker says of itself: figures for Prometheus, and whether it works."""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from anuma_dash.settings import Settings

disable_created_metrics()  # type: ignore[no-untyped-call]


class Status:
    """The figures of one worker.

    `clock` counts seconds and never jumps, so that a clock that is set does not make the worker look dead.
    """

    def __init__(self, stale_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._turned_at = self._swept_at = clock()
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._last_sweep = Gauge(
            "anuma_last_sweep_timestamp_seconds",
            "When the worker last swept for unfinished rows",
            registry=self.registry,
        )
        self._attempts = Counter(
            "anuma_attempts", "Attempts on unfinished rows", ["kind", "outcome"], registry=self.registry
        )
        self._gateway_calls = Histogram(
            "anuma_worker_gateway_call_seconds", "Calls to the gateway", ["call", "outcome"], registry=self.registry
        )

    def swept(self) -> None:
        """A sweep has succeeded."""
        self._last_sweep.set_to_current_time()
        self._swept_at = self._clock()

    def turned(self) -> None:
        """The loop has come round, whether its sweep succeeded or not."""
        self._turned_at = self._clock()

    def attempted(self, kind: str, outcome: str) -> None:
        """An attempt has ended: `ended`, or `fault` if it must be made again."""
        self._attempts.labels(kind, outcome).inc()

    def called(self, call: str, outcome: str, seconds: float) -> None:
        """The gateway was called."""
        self._gateway_calls.labels(call, outcome).observe(seconds)

    def alive(self) -> bool:
        """Whether the loop still turns. If not, a restart helps."""
        return self._clock() - self._turned_at <= self._stale_seconds

    def ready(self) -> bool:
        """Whether sweeps succeed. If not, and it is alive, the database does not answer: a restart changes nothing."""
        return self._clock() - self._swept_at <= self._stale_seconds


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], status: Status, token: str) -> None:
        super().__init__(address, _Answer)
        self.status = status
        self.token = token


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "anuma", ""

    def do_GET(self) -> None:
        """`/healthz`, `/readyz`, `/metrics`."""
        status = self.server.status
        if self.path == "/healthz":
            self._say(200 if status.alive() else 503, "ok\n" if status.alive() else "the loop stands still\n")
        elif self.path == "/readyz":
            self._say(200 if status.ready() else 503, "sweeps: ok\n" if status.ready() else "sweeps: fail\n")
        elif self.path == "/metrics" and self._may_scrape():
            self._say(200, generate_latest(status.registry).decode())
        else:
            self._say(404, "There is no such page.\n")

    def _may_scrape(self) -> bool:
        token = self.server.token
        presented = self.headers.get("Authorization", "")
        return not token or hmac.compare_digest(presented.encode(), f"Bearer {token}".encode())

    def _say(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing: the log is for what happened."""


def serve(settings: Settings, status: Status) -> ThreadingHTTPServer | None:
    """Answer on the worker's port, if the settings name one, until the process ends."""
    if not settings.worker_metrics_port:
        return None
    address = (settings.worker_metrics_host, settings.worker_metrics_port)
    server = _Server(address, status, settings.metrics_token)
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
