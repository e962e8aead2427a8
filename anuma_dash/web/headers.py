"""Response headers: content security policy with a nonce of its own, and the rest of the hardening."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g, request

from anuma_dash.web import csrf
from anuma_dash.web.state import request_id, services

PERMISSIONS_POLICY = (
    "camera=(), microphone=(), geolocation=(), payment=(), usb=(), clipboard-read=(), clipboard-write=(self)"
)

REPORTS_PATH = "/reports"
BUILT_FILE = (200, 206, 304)


def nonce() -> str:
    """The nonce of this response; every response has its own, fragments too."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def content_security_policy() -> str:
    """The policy of this response. `htmx` is the Trusted Types policy that htmx's hx-csp extension creates.

    `report-to` stands only on https: elsewhere Chromium knows no endpoints, and would then not use `report-uri` either.
    """
    reporting = f"report-uri {REPORTS_PATH}" + ("; report-to default" if services().settings.secure_cookies else "")
    return (
        f"default-src 'none'; script-src 'nonce-{nonce()}'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
        f"require-trusted-types-for 'script'; trusted-types htmx; {reporting}"
    )


def install(app: Flask) -> None:
    """Set the headers on every response of the application."""
    app.after_request(_set_headers)


def _set_headers(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-Id"] = request_id()
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = PERMISSIONS_POLICY
    headers["Content-Security-Policy"] = content_security_policy()
    if services().settings.secure_cookies:
        headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
        # "default" is also where permission, deprecation and crash reports go by themselves.
        headers["Reporting-Endpoints"] = f'default="{REPORTS_PATH}"'
        headers["Cross-Origin-Opener-Policy"] = 'same-origin; report-to="default"'
    if request.endpoint == "static" and response.status_code in BUILT_FILE:
        headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
    response.vary.update(("HX-Request", "Cookie"))
    # Signed-out pages and error pages hold a form token too, so nothing that is drawn may be kept by a cache.
    headers["Cache-Control"] = "no-store"
    csrf.set_browser_cookie(response)
    return response
