"""Cross-site request forgery: a token bound to the session (or to the browser, before sign-in), and the fetch metadata.

The token is an HMAC, masked anew in every page, so that compression cannot give it away.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from urllib.parse import urlsplit

from flask import Response, g, request

from anuma_dash.errors import Forged
from anuma_dash.settings import Settings
from anuma_dash.web import cookies
from anuma_dash.web.state import services, viewer

FIELD = "csrf_token"
BROWSER_COOKIE = "anuma_browser"


def token() -> str:
    """The token for the forms of this page."""
    mac = _macs(services().settings)[0]
    pad = secrets.token_bytes(len(mac))
    return base64.urlsafe_b64encode(pad + _xor(mac, pad)).decode()


def check() -> None:
    """Raise `Forged` unless this unsafe request came from a page of ours."""
    _check_origin(services().settings)
    given = request.form.get(FIELD, "") or request.headers.get("X-CSRF-Token", "")
    try:
        raw = base64.urlsafe_b64decode(given.encode())
    except (binascii.Error, ValueError):
        raw = b""
    half = len(raw) // 2
    found = _xor(raw[half:], raw[:half])
    if not any(hmac.compare_digest(found, mac) for mac in _macs(services().settings)):
        raise Forged("This form is out of date. Go back, reload the page, and send it again.")


def _check_origin(settings: Settings) -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site not in (None, "same-origin"):
        raise Forged("This form was sent from another site, so nothing was done.")
    origin = request.headers.get("Origin")
    if origin is None and site is None:
        raise Forged("Your browser did not say where this form comes from, so nothing was done.")
    if origin is not None and urlsplit(origin).netloc not in settings.host_names:
        raise Forged("This form was sent from another site, so nothing was done.")


def _macs(settings: Settings) -> list[bytes]:
    found = viewer()
    bound = f"session:{found.session.token_hash}" if found else f"browser:{_browser()}"
    return [hmac.new(secret.encode(), bound.encode(), hashlib.sha256).digest() for secret in settings.csrf_secrets]


def _browser() -> str:
    if "browser" not in g:
        g.browser = cookies.read(BROWSER_COOKIE)
        if len(g.browser) < 22:
            g.browser = secrets.token_urlsafe(24)
            g.new_browser = True
    return str(g.browser)


def set_browser_cookie(response: Response) -> None:
    """Give the browser its cookie if this page holds a form bound to it."""
    if g.get("new_browser"):
        cookies.put(response, BROWSER_COOKIE, g.browser)


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))
