"""What operators see: a log line a request, metrics, liveness and readiness."""

from __future__ import annotations

import time

import structlog
from flask import Blueprint, Flask, Response, current_app, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from anuma_dash.domain.controls import ControlChange
from anuma_dash.domain.deletions import Deletion
from anuma_dash.errors import GatewayError, NotFound
from anuma_dash.gateway.schemas import CONTRACT_VERSION
from anuma_dash.identity import WORKER
from anuma_dash.migrations import Outdated
from anuma_dash.migrations import check as check_schema
from anuma_dash.web.access import access
from anuma_dash.web.state import actor, client_address, now, request_id, services
from anuma_dash.workflows import unfinished

log = structlog.get_logger()
blueprint = Blueprint("operations", __name__)
LOOPBACK = ("127.0.0.1", "::1")


class Metrics:
    """The figures of one application; each has its own registry, so that tests can have many."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "anuma_requests", "Answered requests", ["endpoint", "method", "status"], registry=self.registry
        )
        self.seconds = Histogram("anuma_request_seconds", "Time to answer", ["endpoint"], registry=self.registry)
        self.oldest_control = Gauge(
            "anuma_oldest_unconfirmed_control_seconds",
            "Age of the oldest control change that the gateway has not confirmed",
            registry=self.registry,
        )
        self.oldest_deletion = Gauge(
            "anuma_oldest_unfinished_deletion_seconds", "Age of the oldest unfinished deletion", registry=self.registry
        )
        self.unfinished = Gauge(
            "anuma_unfinished_rows", "Rows of durable work that still want work", ["kind"], registry=self.registry
        )


def install(app: Flask) -> None:
    """Observe every request of the application."""
    app.extensions["anuma_metrics"] = Metrics()
    app.before_request(_start)
    app.after_request(_finish)
    app.register_blueprint(blueprint)


def _start() -> None:
    g.started = time.monotonic()


def _finish(response: Response) -> Response:
    seconds = time.monotonic() - g.get("started", time.monotonic())
    endpoint = request.endpoint or "none"
    metrics: Metrics = current_app.extensions["anuma_metrics"]
    metrics.requests.labels(endpoint, request.method, str(response.status_code)).inc()
    metrics.seconds.labels(endpoint).observe(seconds)
    if endpoint not in ("static", "operations.healthz", "operations.metrics"):
        who = g.get("actor")
        log.info(
            "request",
            request_id=request_id(),
            method=request.method,
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
    return Response(text, status=200 if states["database"] == "ok" else 503, mimetype="text/plain")


def _database_state() -> str:
    try:
        check_schema(services().db)
    except SQLAlchemyError:
        return "does not answer"
    except Outdated as error:
        return str(error)
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
    """Figures for Prometheus, to callers on this machine only; anybody else gets the answer of a missing page."""
    if client_address() not in LOOPBACK or "X-Forwarded-For" in request.headers:
        raise NotFound("There is no such page.")
    found: Metrics = current_app.extensions["anuma_metrics"]
    with services().db.reading() as tx:
        change = tx.scalar(select(func.min(ControlChange.requested_at)).where(ControlChange.outcome == "pending"))
        deletion = tx.scalar(select(func.min(Deletion.requested_at)).where(Deletion.next_try_at.is_not(None)))
        for kind in current_app.extensions["anuma_kinds"]:
            found.unfinished.labels(kind.name).set(unfinished(tx, kind.model))
    found.oldest_control.set((now() - change).total_seconds() if change else 0)
    found.oldest_deletion.set((now() - deletion).total_seconds() if deletion else 0)
    return Response(generate_latest(found.registry), mimetype="text/plain; version=0.0.4")


def check_versions(app: Flask) -> None:
    """Refuse to start on a database or beside a gateway of another version; a gateway that is down may come later.

    Raises `Outdated` or `RuntimeError`, naming both versions.
    """
    found = app.extensions["anuma"]
    check_schema(found.db)
    try:
        contract = found.gateway.contract(WORKER)
    except GatewayError:
        return
    if contract.contract != CONTRACT_VERSION:
        raise RuntimeError(
            f"The gateway speaks contract {contract.contract}, this dashboard speaks {CONTRACT_VERSION}."
        )
