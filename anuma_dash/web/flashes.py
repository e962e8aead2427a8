"""One-time messages that survive a redirect, in a signed cookie of their own. They never hold a secret."""

from __future__ import annotations

from typing import Literal

from flask import Flask, Response, g
from itsdangerous import BadSignature, URLSafeTimedSerializer

from anuma_dash.web import cookies
from anuma_dash.web.state import services

COOKIE = "anuma_flash"
LIFETIME_SECONDS = 300
Tone = Literal["ok", "info", "wait", "stop"]


def flash(tone: Tone, text: str) -> None:
    """Show this message on the next page that is drawn."""
    g.setdefault("new_flashes", []).append((tone, text))


def take_flashes() -> list[tuple[str, str]]:
    """The messages for this page; they are not shown again."""
    g.flashes_taken = True
    waiting = g.pop("new_flashes", [])
    return [*_from_cookie(), *waiting]


def install(app: Flask) -> None:
    """Carry messages from one response to the next page."""
    app.after_request(_carry)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(list(reversed(services().settings.session_secrets)), salt="flash")


def _from_cookie() -> list[tuple[str, str]]:
    text = cookies.read(COOKIE)
    if not text:
        return []
    try:
        loaded = _serializer().loads(text, max_age=LIFETIME_SECONDS)
    except BadSignature:
        return []
    return [(str(tone), str(message)) for tone, message in loaded]


def _carry(response: Response) -> Response:
    waiting = g.get("new_flashes", [])
    if waiting:
        kept = waiting if g.get("flashes_taken") else [*_from_cookie(), *waiting]
        cookies.put(response, COOKIE, _serializer().dumps(kept[-5:]), max_age_seconds=LIFETIME_SECONDS)
    elif g.get("flashes_taken") and cookies.read(COOKIE):
        cookies.forget(response, COOKIE)
    return response
