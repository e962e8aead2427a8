"""What ties a browser to the sandbox: the session cookie, and the token of its forms.

Cookies are named for the sandbox because all ports of localhost share one cookie jar.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from flask import Request, Response

from anuma_dash.embedded.sandbox.openid.models import Session
from anuma_dash.embedded.sandbox.openid.provider import Provider
from anuma_dash.embedded.sandbox.openid.store import SESSION_LIFE

SESSION_COOKIE = "sandbox_session"
FORM_COOKIE = "sandbox_form"
_FORM_KEY = secrets.token_bytes(32)


def session_of(request: Request, provider: Provider) -> Session | None:
    """Return this browser's session while it lives, or None."""
    return provider.store.session(request.cookies.get(SESSION_COOKIE, ""))


def remember(response: Response, session: Session) -> None:
    """Give the browser its session."""
    _set(response, SESSION_COOKIE, session.session_id)


def end_session(request: Request, response: Response, provider: Provider) -> None:
    """Forget this browser's session on both sides."""
    provider.store.end_session(request.cookies.get(SESSION_COOKIE, ""))
    response.delete_cookie(SESSION_COOKIE, httponly=True, samesite="Lax")


def form_cookie(request: Request) -> str:
    """Return the browser's form cookie, or a fresh value for `remember_form` to set."""
    return request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)


def remember_form(response: Response, cookie: str) -> None:
    """Give the browser the cookie its form tokens are bound to."""
    _set(response, FORM_COOKIE, cookie)


def form_token(cookie: str, carried: Mapping[str, str]) -> str:
    """Return the token of a form: an HMAC over the browser's cookie and the hidden fields it carries.

    So a posted form is one that this process drew, in this browser, with these very parameters.
    """
    message = json.dumps([cookie, sorted(carried.items())]).encode()
    return hmac.new(_FORM_KEY, message, hashlib.sha256).hexdigest()


def is_our_form(request: Request, carried: Mapping[str, str], issuer: str) -> bool:
    """Tell whether a posted form is ours: by its token, and by what the browser says of its origin."""
    if request.headers.get("Origin", issuer) != issuer:
        return False
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    expected = form_token(request.cookies.get(FORM_COOKIE, ""), carried)
    return hmac.compare_digest(expected.encode(), request.form.get("form_token", "").encode())


def _set(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=SESSION_LIFE, httponly=True, samesite="Lax")
