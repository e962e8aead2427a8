"""More requests than this process can answer: a bounded queue, and beyond it a refusal that costs next to nothing.

It stands before everything else: a refusal needs no session, no database and no gateway. gunicorn's own queue has no
bound, so it is given more threads than there are slots here: those that are left over refuse.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from flask import Flask, Request
from markupsafe import escape

from anuma_dash.web.access import SAFE_METHODS, page_of
from anuma_dash.web.headers import PERMISSIONS_POLICY
from anuma_dash.web.state import Services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RETRY_AFTER_SECONDS = 5
EXEMPT = ("/healthz", "/readyz", "/metrics")
STATIC = "/static/"
TITLE = "Too busy right now"
MESSAGE = "More is asked of the dashboard than it can answer at once. Nothing was changed. Try again in a few seconds."
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; "
    "frame-ancestors 'none'"
)
_ADDRESS = b"/the-address-that-was-asked-for"
"""Stands in the page that is drawn once."""


class Queue:
    """So many at work at once, so many waiting for their turn, and each for so long only."""

    def __init__(self, slots: int, waiting: int, wait_seconds: float) -> None:
        self._slots = threading.Semaphore(slots)
        self._waiting = threading.Semaphore(waiting)
        self._wait_seconds = wait_seconds

    def enter(self) -> bool:
        """Take a slot, if need be after waiting for one; False if too many wait already, or the wait was too long."""
        if self._slots.acquire(blocking=False):
            return True
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._slots.acquire(timeout=self._wait_seconds)
        finally:
            self._waiting.release()

    def leave(self) -> None:
        """Give the slot back."""
        self._slots.release()


class Shedding:
    """Wraps the WSGI application.

    A slot is held while the application makes its answer. Sending it is not counted: a slow browser holds a thread, no
    slot.
    """

    def __init__(self, app: Flask, inner: WSGIApplication, queue: Queue, *, secure: bool) -> None:
        self._app = app
        self._inner = inner
        self._queue = queue
        self._secure = secure

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, or refuse it."""
        path = environ.get("PATH_INFO", "")
        # Exactly these: a page that says "not found" for anything longer is work like any other.
        if path in EXEMPT or path.startswith(STATIC):
            return self._inner(environ, start_response)
        if not self._queue.enter():
            return self._refuse(environ, start_response)
        try:
            return self._inner(environ, start_response)
        finally:
            self._queue.leave()

    def _refuse(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._app.extensions["anuma_metrics"].requests.labels("shed", "any", "503").inc()
        note = environ.get("HTTP_HX_REQUEST_TYPE") == "partial" and environ.get("HTTP_HX_BOOSTED") != "true"
        body = self._note if note else self._page(environ)
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Retry-After", str(RETRY_AFTER_SECONDS)),
            ("Cache-Control", "no-store"),
            ("Vary", "HX-Request, Cookie"),
            ("Content-Security-Policy", POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Permissions-Policy", PERMISSIONS_POLICY),
        ]
        if self._secure:
            headers.append(("Strict-Transport-Security", "max-age=63072000; includeSubDomains"))
        if note:
            headers += [("HX-Retarget", "#flash"), ("HX-Reswap", "innerHTML")]
        start_response("503 Service Unavailable", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _page(self, environ: WSGIEnvironment) -> bytes:
        """Only the address is put in: drawing the page anew would cost what there is none left of."""
        asked = Request(environ)
        return self._pages[asked.method not in SAFE_METHODS].replace(_ADDRESS, escape(page_of(asked)).encode())

    @cached_property
    def _pages(self) -> dict[bool, bytes]:
        again = {sent: {"url": _ADDRESS.decode(), "sent": sent} for sent in (False, True)}
        return {sent: self._drawn("errors/error.html", try_again=again[sent]) for sent in again}

    @cached_property
    def _note(self) -> bytes:
        return self._drawn("errors/note.html")

    def _drawn(self, template: str, **more: object) -> bytes:
        words = {"title": TITLE, "message": MESSAGE, "what_works": "", "request_id": "", "home_url": "/"} | more
        with self._app.app_context():
            return self._app.jinja_env.get_template(template).render(words).encode()


def install(app: Flask) -> None:
    """Bound what the application works on at once. Must be the outermost layer."""
    services: Services = app.extensions["anuma"]
    settings = services.settings
    queue = Queue(settings.web_slots, settings.web_waiting, settings.web_wait_seconds)
    inner: Callable[..., Iterable[bytes]] = app.wsgi_app
    app.wsgi_app = Shedding(app, inner, queue, secure=settings.secure_cookies)  # type: ignore[method-assign]
