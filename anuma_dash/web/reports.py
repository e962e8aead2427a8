"""What browsers report by themselves: violated policies, and whatever else the Reporting API has. Counted and logged.

Anybody can send anything here, so nothing of a report is kept but words that we know, the name of one of our pages and
one host name. Nothing of the person is looked at: no cookie, no user agent, no address but to limit how many come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import Counter
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from anuma_dash.web.access import access
from anuma_dash.web.headers import REPORTS_PATH
from anuma_dash.web.limits import within
from anuma_dash.web.state import request_id, services

log = structlog.get_logger()
blueprint = Blueprint("reports", __name__)

MOST_BYTES = 32_000
MOST_REPORTS = 20
OFTEN = "60 per minute"
TYPES = frozenset(
    (
        *("csp-violation", "csp-hash", "permissions-policy-violation", "potential-permissions-policy-violation"),
        *("coop", "coep", "integrity-violation", "deprecation", "intervention", "crash", "network-error"),
        *("document-policy-violation",),
    )
)
DIRECTIVES = frozenset(
    (
        *("default-src", "script-src", "script-src-elem", "script-src-attr", "style-src", "style-src-elem"),
        *("style-src-attr", "img-src", "font-src", "connect-src", "media-src", "object-src", "frame-src", "child-src"),
        *("worker-src", "manifest-src", "fenced-frame-src", "base-uri", "form-action", "frame-ancestors", "sandbox"),
        *("require-trusted-types-for", "trusted-types"),
    )
)
KEYWORDS = frozenset(
    ("inline", "eval", "wasm-eval", "self", "data", "blob", "trusted-types-policy", "trusted-types-sink")
)
HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?")


def install(app: Flask) -> None:
    """Take reports, and count them beside the other figures of the application."""
    app.extensions["anuma_security_reports"] = Counter(
        "anuma_security_reports",
        "Reports that browsers sent by themselves, by type and (for violated policies) directive",
        ["type", "directive"],
        registry=app.extensions["anuma_metrics"].registry,
    )
    app.register_blueprint(blueprint)


@blueprint.post(REPORTS_PATH)
@access(anonymous=True, session=False, csrf_exempt="browsers send reports without a form; they are only counted")
def collect() -> Response:
    """Take the reports of one browser; more than sixty a minute from one network are dropped without a word."""
    if not within(OFTEN, "reports"):
        _count("dropped")
        return Response(status=204)
    request.max_content_length = MOST_BYTES
    try:
        if (request.content_length or 0) > MOST_BYTES:  # what calls itself a form was read before this bound
            raise RequestEntityTooLarge
        found = list(_reports(json.loads(request.get_data())))
    except RequestEntityTooLarge:
        _count("too-large")
        return Response(status=413)
    except (ValueError, RecursionError):
        _count("unreadable")
        return Response(status=400)
    for kind, url, body in found[:MOST_REPORTS]:
        _note(kind, url, body)
    return Response(status=204)


def _reports(sent: Any) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Type, page and body of each report: those of the Reporting API, or the one that `report-uri` sends (CSP 3).

    Raises `ValueError` for anything else.
    """
    if isinstance(sent, dict) and isinstance(sent.get("csp-report"), dict):
        body = sent["csp-report"]
        names = {"effectiveDirective": "effective-directive", "blockedURL": "blocked-uri", "disposition": "disposition"}
        yield "csp-violation", body.get("document-uri"), {name: body.get(old) for name, old in names.items()}
        return
    if not isinstance(sent, list) or not all(isinstance(one, dict) for one in sent):
        raise ValueError("not a list of reports")
    for one in sent:
        body = one.get("body")
        yield str(one.get("type")), one.get("url"), body if isinstance(body, dict) else {}


def _note(kind: str, url: Any, body: dict[str, Any]) -> None:
    kind = kind if kind in TYPES else "other"
    directive = _directive(body) if kind == "csp-violation" else "none"
    _count(kind, directive)
    log.warning(
        "security report",
        type=kind,
        directive=directive,
        blocked=_origin(body.get("blockedURL")),
        page=_page(url),
        disposition=body.get("disposition") if body.get("disposition") in ("enforce", "report") else "none",
        request_id=request_id(),
    )


def _count(kind: str, directive: str = "none") -> None:
    current_app.extensions["anuma_security_reports"].labels(kind, directive).inc()


def _directive(body: dict[str, Any]) -> str:
    named = str(body.get("effectiveDirective") or "").partition(" ")[0]
    return named if named in DIRECTIVES else "other"


def _origin(value: Any) -> str:
    """Whose thing was blocked: a host, "self", or a word of the specification; never a path or a query."""
    if not isinstance(value, str) or not value:
        return "none"
    if value in KEYWORDS:
        return value
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return "unreadable"
    if parts.netloc in services().settings.host_names:
        return "self"
    if host:
        return host if HOST.fullmatch(host) else "unreadable"
    return parts.scheme if parts.scheme in ("data", "blob", "about", "chrome-extension") else "unreadable"


def _page(url: Any) -> str:
    """Which page of ours it happened on: the name of its view, because the path may name objects."""
    if not isinstance(url, str):
        return "none"
    try:
        parts = urlsplit(url)
        if parts.netloc not in services().settings.host_names:
            return "elsewhere"
        endpoint, _ = current_app.url_map.bind("").match(parts.path or "/", "GET")
    except (HTTPException, ValueError):
        return "unknown"
    return str(endpoint)
