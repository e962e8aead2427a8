"""Figures for Prometheus. No label holds an identifier; models and providers are those of the configuration."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from .content_tables import purge_schedule, purges
from .deletions import UNFINISHED
from .stores import DATABASE_ERRORS
from .tables import deletions

if TYPE_CHECKING:
    from .core import Gateway
    from .metering import Record, Settled

Labelled = TypeVar("Labelled", Counter, Histogram)
_LOOPBACK = ("127.0.0.1", "::1")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The figures of one gateway; each has its own registry, so that a process can hold several."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "anuma_gateway_requests", "Answered requests", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "anuma_gateway_request_seconds", "Time to answer", ["route"], registry=registry, buckets=_SECONDS
        )
        self.streams = Gauge("anuma_gateway_streams_open", "Streams under way", registry=registry)
        self._settled = Counter(
            "anuma_gateway_settled",
            "Requests of known keys, each counted once when it has ended",
            ["provider", "model", "outcome"],
            registry=registry,
        )
        self._first_byte = Histogram(
            "anuma_gateway_first_byte_seconds",
            "From a request's arrival to its provider's first byte",
            ["provider"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._completion = Histogram(
            "anuma_gateway_completion_seconds",
            "From a request's arrival to its settlement",
            ["provider"],
            registry=registry,
            buckets=_SECONDS,
        )
        self._tokens = Counter(
            "anuma_gateway_tokens", "Tokens metered", ["provider", "model", "direction"], registry=registry
        )
        self._cost = Counter("anuma_gateway_cost_micro_usd", "Cost metered", ["provider", "model"], registry=registry)
        self._content = Counter(
            "anuma_gateway_content_decisions",
            "Whether a request's content was stored, and by which rule",
            ["stored", "rule"],
            registry=registry,
        )
        self.last_sweep = Gauge(
            "anuma_gateway_last_sweep_timestamp_seconds",
            "When the gateway last swept up what is past its time",
            registry=registry,
        )
        self.last_purge = Gauge(
            "anuma_gateway_last_purge_timestamp_seconds",
            "When the gateway last deleted what is past its period",
            registry=registry,
        )

    def answered(self, route: str | None, method: str, status: int | None, seconds: float) -> None:
        """Count an answer; `status` is None if none was sent."""
        known = method if method in _METHODS else "other"
        _of(self._requests, route or "none", known, str(status or "none")).inc()
        _of(self._seconds, route or "none").observe(seconds)

    def settled(self, record: Record, settled: Settled) -> None:
        """Count a request that has ended."""
        provider, model, usage = record.provider, record.model, record.usage
        _of(self._settled, provider, model, record.outcome).inc()
        _of(self._completion, provider).observe(record.latency_ms / 1000)
        if record.first_byte_ms is not None:
            _of(self._first_byte, provider).observe(record.first_byte_ms / 1000)
        _of(self._tokens, provider, model, "prompt").inc(usage.prompt_tokens)
        _of(self._tokens, provider, model, "completion").inc(usage.completion_tokens)
        _of(self._cost, provider, model).inc(record.price.cost(usage.prompt_tokens, usage.completion_tokens))
        _of(self._content, str(settled.decision.stored).lower(), settled.decision.rule).inc()


@lru_cache(maxsize=10_000)
def _of(figure: Labelled, *values: str) -> Labelled:
    """The one with these labels. Looking it up takes longer than counting."""
    return figure.labels(*values)


class _Deletions(Collector):
    """What the rows say at the moment of the scrape; nothing of it if the database does not answer."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures."""
        unfinished = select(func.count(), func.min(deletions.c.requested_at)).where(deletions.c.state.in_(UNFINISHED))
        try:
            with self._gateway.stores.main.read() as connection:
                count, oldest = connection.execute(unfinished).one()
                waiting = connection.scalar(select(func.count()).where(purges.c.state == "waiting"))
                planned = connection.scalar(select(purge_schedule.c.next_at))
        except DATABASE_ERRORS:
            yield GaugeMetricFamily("anuma_gateway_database_up", "Whether the main database answers", 0)
            return
        age = (self._gateway.now() - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily("anuma_gateway_database_up", "Whether the main database answers", 1)
        yield GaugeMetricFamily("anuma_gateway_unfinished_deletions", "Deletions that are not finished", count)
        yield GaugeMetricFamily(
            "anuma_gateway_oldest_unfinished_deletion_seconds", "Age of the oldest unfinished deletion", age
        )
        late = max((self._gateway.now() - planned).total_seconds(), 0) if planned else 0
        yield GaugeMetricFamily("anuma_gateway_purge_overdue_seconds", "How late the scheduled deletion is", late)
        yield GaugeMetricFamily(
            "anuma_gateway_waiting_purges", "Scheduled deletions that wait for the register of legal holds", waiting
        )


async def metrics(request: Request) -> Response:
    """`/metrics`: to whoever bears the token; without one, in development, to this machine. To others it is missing."""
    gateway: Gateway = request.app.state.gateway
    if not _may_scrape(gateway, request):
        raise HTTPException(404)
    text = await gateway.in_thread(lambda: _text(gateway))
    return Response(text, media_type="text/plain; version=0.0.4")


def _may_scrape(gateway: Gateway, request: Request) -> bool:
    token = gateway.settings.metrics_token.get_secret_value()
    if token:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode())
    here = request.client is not None and request.client.host in _LOOPBACK
    return gateway.settings.environment == "development" and here and "x-forwarded-for" not in request.headers


def _text(gateway: Gateway) -> bytes:
    rows = CollectorRegistry()
    rows.register(_Deletions(gateway))
    return generate_latest(gateway.metrics.registry) + generate_latest(rows)
