"""Pages against bare pages: what the guard, the session, the macros and the headers cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
from flask import Flask, render_template_string, request
from flask.testing import FlaskClient

from anuma_dash import create_app, logs
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import create_account, sync_account
from anuma_dash.features.requests.filters import parse_filters
from anuma_dash.features.requests.service import list_requests_and_keys
from anuma_dash.gateway import schemas
from anuma_dash.identity import OPERATOR, Actor, Role, User
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.web.sessions import Device, find_session, start_session
from anuma_dash.web.state import Services
from benchmarks.figures import Figure, ratio
from tests.processes import Stack

ROWS = 50
COOKIE = "anuma_session"
BARE = "{{ head | safe }}{% for row in rows %}{{ row | safe }}{% endfor %}{{ tail | safe }}"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def measure(found: Stack) -> list[Figure]:
    """The figures of QUALITY.md that the pages so far can give."""
    found.start_gateway()
    settings = Settings.from_environment(found.environment | {"ANUMA_LOG_LEVEL": "ERROR"})
    migrate(settings.database_url)
    app = create_app(settings)
    services: Services = app.extensions["anuma"]
    logs.configure("ERROR", "benchmark")
    account_id, token, actor = _customer(services)
    _requests(services, actor, account_id, found.gateway)
    client = _client(app, token)
    page = client.get("/requests", base_url=settings.public_url)
    fragment = client.get("/requests", base_url=settings.public_url, headers=HTMX)
    bare = _client(_bare_app(services, actor, account_id, page.text), token)
    figures = [
        Figure(
            f"request log with {ROWS} rows ÷ a bare page of the same HTML, gateway calls and session look-up",
            1.5,
            ratio(_get(client, "/requests", settings.public_url), _get(bare, "/", settings.public_url)),
        ),
        Figure("fragment of one control ÷ its page, bytes", 0.3, [_control_share(client, settings.public_url)]),
        Figure("the request log's list ÷ its page, bytes", 1.0, [len(fragment.data) / len(page.data)]),
    ]
    figures += _gateway_calls(client, services, settings.public_url)
    services.gateway.close()
    services.db.dispose()
    return figures


def _customer(services: Services) -> tuple[UUID, str, Actor]:
    now = services.clock()
    with services.db.transaction() as tx:
        user = User(id=new_id(), name="Olive", email=None, time_zone="UTC", created_at=now, attested_age_at=now)
        tx.add(user)
        tx.flush()
        account = create_account(tx, OPERATOR, user, "Northwind Labs", "organization", now)
        _, token = start_session(
            tx,
            services.settings,
            user=user,
            account_id=account.id,
            provider="sandbox",
            issuer="benchmark",
            subject="olive",
            device=Device("A browser", "127.0.0.1"),
            authenticated_at=now - timedelta(seconds=1),
            now=now,
        )
    sync_account(services.context, account.id)
    return account.id, token, Actor(kind="user", user_id=user.id, name=user.name, role=Role.OWNER)


def _requests(services: Services, actor: Actor, account_id: UUID, gateway: str) -> None:
    key = services.gateway.create_key(actor, account_id, schemas.NewKey(name="web"), str(new_id()))
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {key.secret}"}
    with httpx.Client(base_url=gateway, headers=headers, trust_env=False) as client:
        for _ in range(ROWS + 5):
            client.post("/v1/chat/completions", json=body).raise_for_status()


def _client(app: Flask, token: str) -> FlaskClient:
    client = app.test_client()
    client.set_cookie(COOKIE, token, domain="localhost")
    return client


def _get(client: FlaskClient, path: str, base_url: str) -> Callable[[], object]:
    def get() -> None:
        assert client.get(path, base_url=base_url).status_code == 200

    return get


def _bare_app(services: Services, actor: Actor, account_id: UUID, html: str) -> Flask:
    head, *middle = html.split("<tr>")
    rows, tail = ["<tr>" + part for part in middle[:-1]], "<tr>" + middle[-1]
    app = Flask("bare")
    nothing = parse_filters({}, ZoneInfo("UTC"))

    @app.get("/")
    def index() -> str:
        with services.db.reading() as tx:
            assert find_session(tx, services.settings, request.cookies[COOKIE], services.clock())
        list_requests_and_keys(services.context, actor, account_id, nothing, after=None, limit=ROWS)
        return render_template_string(BARE, head=head, rows=rows, tail=tail)

    return app


def _control_share(client: FlaskClient, base_url: str) -> float:
    page = client.get("/data-controls", base_url=base_url)
    fragment = client.get("/data-controls/prompt-logging", base_url=base_url, headers=HTMX)
    assert page.status_code == fragment.status_code == 200
    return len(fragment.data) / len(page.data)


def _gateway_calls(client: FlaskClient, services: Services, base_url: str) -> list[Figure]:
    # Counted where they leave: at the HTTP client, below everything that could hide one.
    sent: list[httpx.Request] = []
    services.gateway._http.event_hooks["request"].append(sent.append)
    figures = []
    for path in ("/", "/keys", "/requests", "/data-controls", "/deletions", "/activity"):
        sent.clear()
        assert client.get(path, base_url=base_url).status_code == 200
        figures.append(Figure(f"gateway calls of {path}", 2, [len(sent)]))
    return figures
