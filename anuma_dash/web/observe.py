"""What operators see: a log line a request, metrics, liveness and readiness."""

from __future__ import annotations

import hmac
import os
import time
from collections.abc import Iterator

import structlog
from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import event, func, select
from sqlalchemy.exc import SQLAlchemyError

from anuma_dash import versions
from anuma_dash.domain.controls import ControlChange
from anuma_dash.domain.deletions import Deletion
from anuma_dash.errors import GatewayError, NotFound
from anuma_dash.gateway.schemas import CONTRACT_VERSION
from anuma_dash.migrations import Outdated
from anuma_dash.migrations import check as check_schema
from anuma_dash.web.access import access
from anuma_dash.web.state import Services, actor, client_address, now, request_id, services
from anuma_dash.workflows import unfinished

log = structlog.get_logger()
blueprint = Blueprint("operations", __name__)
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
"""Any other is a word of the sender's choice: it would stand in the log, and make figures without end."""
LOOPBACK = ("127.0.0.1", "::1")
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The figures of one application; each has its own registry, so that tests can have many.

    With several web processes (PROMETHEUS_MULTIPROC_DIR, which deploy/gunicorn.conf.py sets) the values are in files,
    and whichever process is asked adds them up.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "anuma_requests", "Answered requests", ["endpoint", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram("anuma_request_seconds", "Time to answer", ["endpoint"], registry=self.registry)
        self.gateway_calls = Histogram(
            "anuma_gateway_call_seconds", "Calls to the gateway", ["call", "outcome"], registry=self.registry
        )
        self.connections = Gauge(
            "anuma_database_connections_in_use",
            "Connections that the pool has lent",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def called(self, call: str, outcome: str, seconds: float) -> None:
        """The gateway was called."""
        self.gateway_calls.labels(call, outcome).observe(seconds)

    def watch(self, found: Services) -> None:
        """Count what the services of the application do."""
        found.gateway.observe = self.called
        event.listen(found.db.engine, "checkout", lambda *_: self.connections.inc())
        event.listen(found.db.engine, "checkin", lambda *_: self.connections.dec())


class Rows(Collector):
    """What the rows say at the moment of the scrape, the same from any process."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures; of a database that does not answer, only that."""
        yield GaugeMetricFamily(
            "anuma_database_up",
            "Whether the database answers and has this version's schema",
            float(_database_state().startswith("ok")),
        )
        try:
            with services().db.reading() as tx:
                pending = ControlChange.outcome == "pending"
                change = tx.scalar(select(func.min(ControlChange.requested_at)).where(pending))
                deletion = tx.scalar(select(func.min(Deletion.requested_at)).where(Deletion.next_try_at.is_not(None)))
                waiting = {kind.name: unfinished(tx, kind.model) for kind in current_app.extensions["anuma_kinds"]}
        except SQLAlchemyError:
            return
        yield GaugeMetricFamily(
            "anuma_oldest_unconfirmed_control_seconds",
            "Age of the oldest control change that the gateway has not confirmed",
            (now() - change).total_seconds() if change else 0,
        )
        yield GaugeMetricFamily(
            "anuma_oldest_unfinished_deletion_seconds",
            "Age of the oldest unfinished deletion",
            (now() - deletion).total_seconds() if deletion else 0,
        )
        rows = GaugeMetricFamily("anuma_unfinished_rows", "Rows of durable work that still want work", labels=["kind"])
        for name, count in waiting.items():
            rows.add_metric([name], count)
        yield rows


def install(app: Flask) -> None:
    """Observe every request of the application."""
    found = app.extensions["anuma_metrics"] = Metrics()
    found.watch(app.extensions["anuma"])
    app.before_request(_start)
    app.after_request(_finish)
    app.register_blueprint(blueprint)


def _start() -> None:
    g.started = time.monotonic()


def _finish(response: Response) -> Response:
    seconds = time.monotonic() - g.get("started", time.monotonic())
    endpoint = request.endpoint or "none"
    method = request.method if request.method in METHODS else "other"
    metrics: Metrics = current_app.extensions["anuma_metrics"]
    metrics.requests.labels(endpoint, method, str(response.status_code)).inc()
    metrics.seconds.labels(endpoint).observe(seconds)
    if endpoint not in ("static", "operations.healthz", "operations.metrics"):
        who = g.get("actor")
        log.info(
            "request",
            request_id=request_id(),
            method=method,
            endpoint=endpoint,
            status=response.status_code,
            milliseconds=round(seconds * 1000, 1),
            user=str(who.user_id) if who and who.user_id else None,
            account=str(who.account_id) if who and who.account_id else None,
        )
    return response


@blueprint.get("/healthz")
@access(anonymous=True, session=False)
def healthz() -> Response:
    """Alive: the process answers. It says nothing of what it depends on."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@access(anonymous=True, session=False)
def readyz() -> Response:
    """Ready: each dependency by name. Only the database decides; without the gateway most pages still work."""
    states = {"database": _database_state(), "gateway": _gateway_state()}
    text = "".join(f"{name}: {state}\n" for name, state in states.items())
    return Response(text, status=200 if states["database"].startswith("ok") else 503, mimetype="text/plain")


def _database_state() -> str:
    try:
        check_schema(services().db)
    except SQLAlchemyError:
        return "does not answer"
    except Outdated as error:
        # An upgrade is under way: this version runs on what the next one has added, until it is replaced.
        return "ok, and of a newer version" if error.newer else str(error)
    return "ok"


def _gateway_state() -> str:
    try:
        contract = services().gateway.contract(actor())
    except GatewayError:
        return "does not answer"
    if contract.contract != CONTRACT_VERSION:
        return f"speaks contract {contract.contract}, this dashboard {CONTRACT_VERSION}"
    return "ok"


@blueprint.get("/metrics")
@access(anonymous=True, session=False)
def metrics() -> Response:
    """Figures for Prometheus, to whoever bears the token; anybody else gets the answer of a missing page."""
    if not _may_scrape():
        raise NotFound("There is no such page.")
    counted = current_app.extensions["anuma_metrics"].registry
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    rows = CollectorRegistry()
    rows.register(Rows())
    return Response(generate_latest(counted) + generate_latest(rows), mimetype="text/plain; version=0.0.4")


def _may_scrape() -> bool:
    settings = services().settings
    if settings.metrics_token:
        presented = request.headers.get("Authorization", "")
        return hmac.compare_digest(presented.encode(), f"Bearer {settings.metrics_token}".encode())
    # A proxy on this machine that sets no X-Forwarded-For looks like this machine: good enough for development only.
    here = client_address() in LOOPBACK and "X-Forwarded-For" not in request.headers
    return here and not settings.production


def check_versions(app: Flask) -> None:
    """Refuse to start on a database or beside a gateway of another version; a gateway that is down may come later.

    Raises `Outdated` or `OtherContract`, naming both versions.
    """
    found: Services = app.extensions["anuma"]
    versions.check(found.db, found.gateway)
