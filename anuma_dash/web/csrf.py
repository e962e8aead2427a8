"""Cross-site request forgery: a token bound to the session (or to the browser, before sign-in), and the fetch metadata.

The token is an HMAC, masked anew in every page, so that compression cannot give it away. It is also bound to the
account that the page was drawn for: a form that was opened in one account is never applied to another one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from flask import Response, g, request

from anuma_dash.errors import Conflict, Forged
from anuma_dash.identity import Account
from anuma_dash.settings import Settings
from anuma_dash.web import cookies
from anuma_dash.web.state import services, viewer

FIELD = "csrf_token"
BROWSER_COOKIE = "anuma_browser"


def token() -> str:
    """The token for the forms of this page."""
    found = viewer()
    # In a support session the account is a customer's, and the one form there is, Stop, is sent from outside of it.
    mac = _macs(services().settings, found.account if found and found.role else None)[0]
    pad = secrets.token_bytes(len(mac))
    return base64.urlsafe_b64encode(pad + _xor(mac, pad)).decode()


def check(*, of_account: bool) -> None:
    """Raise `Forged` unless this unsafe request came from a page of ours.

    `of_account` says that the view acts on the current account: `Conflict` if the page was drawn for another one.
    """
    _check_origin(services().settings)
    given = request.form.get(FIELD, "") or request.headers.get("X-CSRF-Token", "")
    try:
        raw = base64.urlsafe_b64decode(given.encode())
    except (binascii.Error, ValueError):
        raw = b""
    half = len(raw) // 2
    found = _xor(raw[half:], raw[:half])
    known = viewer()
    current = known.account if known else None
    accounts = [current, *(account for account, _ in known.accounts), None] if known else [None]
    for account in accounts:
        if any(hmac.compare_digest(found, mac) for mac in _macs(services().settings, account)):
            if of_account and account is not current:
                raise Conflict(_moved(account, current))
            return
    raise Forged("This form is out of date. Go back, reload the page, and send it again.")


def _moved(drawn_for: Account | None, current: Account | None) -> str:
    opened = f"in {drawn_for.name}" if drawn_for else "before you were in an account"
    here = f"you are now in {current.name}" if current else "you are in no account now"
    return f"You opened this form {opened}, and {here}. Nothing was done."


def _check_origin(settings: Settings) -> None:
    site = request.headers.get("Sec-Fetch-Site")
    if site not in (None, "same-origin"):
        raise Forged("This form was sent from another site, so nothing was done.")
    origin = request.headers.get("Origin")
    if origin is None and site is None:
        raise Forged("Your browser did not say where this form comes from, so nothing was done.")
    if origin is not None and origin not in settings.origins:
        raise Forged("This form was sent from another site, so nothing was done.")


def _macs(settings: Settings, account: Account | None) -> list[bytes]:
    found = viewer()
    bound = f"session:{found.session.token_hash}" if found else f"browser:{_browser()}"
    if account is not None:
        bound += f":account:{account.id}"
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
