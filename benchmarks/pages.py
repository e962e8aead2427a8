"""Pages against bare pages: what the guard, the session, the macros and the headers cost."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import httpx
from flask import Flask, render_template_string, request

from anuma_dash.features.requests.filters import parse_filters
from anuma_dash.features.requests.service import list_requests_and_keys
from anuma_dash.web.sessions import find_session
from benchmarks.dashboard import COOKIE, Customer
from benchmarks.figures import Effort, Figure, compared
from benchmarks.lab import ROWS, Lab

OFF_THE_MENU = (
    "/profile",
    "/sessions",
    "/sign-in-methods",
    "/account/closing",
    "/people/leaving",
    "/activity/exports",
    "/support-access/sessions",
)
"""Other pages whose calls are counted."""
_BARE = "{{ head | safe }}{% for row in rows %}{{ row | safe }}{% endfor %}{{ tail | safe }}"


def measure(effort: Effort, lab: Lab) -> list[Figure]:
    """The request log with 50 rows, and how often each page asks the gateway."""
    who, key = lab.customer, lab.key
    client = who.client()
    html = client.get("/requests", base_url=who.settings.public_url).text
    bare = who.client(_bare_app(who, html))
    page = compared(who.get(client, "/requests"), who.get(bare, "/"), effort)
    what = f"request log with {ROWS} rows ÷ a bare page of the same HTML, gateway calls and session look-up"
    next_step = "Next: draw the rows as one string in Python, outside of the template."
    return [Figure(what, 1.5, page, next_step=next_step), *_gateway_calls(who, key)]


def _bare_app(who: Customer, html: str) -> Flask:
    head, *middle = html.split("<tr>")
    rows, tail = ["<tr>" + part for part in middle[:-1]], "<tr>" + middle[-1]
    app = Flask("bare")
    nothing = parse_filters({}, ZoneInfo("UTC"))
    services = who.services

    @app.get("/")
    def index() -> str:
        with services.db.reading() as tx:
            assert find_session(tx, services.settings, request.cookies[COOKIE], services.clock())
        list_requests_and_keys(services.context, who.actor, who.account, nothing, after=None, limit=ROWS)
        return render_template_string(_BARE, head=head, rows=rows, tail=tail)

    return app


def _gateway_calls(who: Customer, key: str) -> list[Figure]:
    # Counted where they leave: at the HTTP client, below everything that could hide one.
    sent: list[httpx.Request] = []
    who.services.gateway._http.event_hooks["request"].append(sent.append)
    client, figures = who.client(), []
    newest = who.services.gateway.requests(who.actor, who.account, limit=1).data[0].id
    for path in [*who.menu(), *OFF_THE_MENU, f"/keys/{key}", f"/requests/{newest}"]:
        sent.clear()
        assert client.get(path, base_url=who.settings.public_url).status_code == 200
        shown = "/".join("…" if len(part) == 36 else part for part in path.split("/"))
        figures.append(Figure(f"gateway calls of {shown}", 2, [len(sent)]))
    return figures
