"""From errors to answers: the only place that turns what went wrong into a status and words for people.

Error pages need neither the database nor the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, make_response, request
from flask_limiter import RateLimitExceeded
from limits.errors import StorageError
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException, SecurityError

from anuma_dash.errors import (
    SENT_BEFORE,
    Conflict,
    DashboardError,
    Forged,
    GatewayRefused,
    GatewayUnavailable,
    Halted,
    Invalid,
    NotAllowed,
    NotFound,
    PersonSuspended,
    SignInRefused,
    SupportSessionOver,
)
from anuma_dash.web import csrf, headers, support
from anuma_dash.web.access import SAFE_METHODS, here, is_htmx
from anuma_dash.web.render import theme, wants_fragment
from anuma_dash.web.shedding import RETRY_AFTER_SECONDS
from anuma_dash.web.state import request_id

log = structlog.get_logger()

ANSWERS: dict[type[DashboardError], tuple[int, str, str]] = {
    NotFound: (404, "Page not found", "Check the address, or start from the overview."),
    Halted: (403, "You may not do this", "Reading, switching off, revoking and deleting still work."),
    NotAllowed: (403, "You may not do this", "An owner of the account can change roles."),
    SupportSessionOver: (403, "The support session is over", ""),
    Forged: (403, "This form was not accepted", ""),
    Invalid: (422, "Something is missing or wrong", "Go back and check what you entered; nothing was changed."),
    Conflict: (409, "This has changed in the meantime", "Reload the page to see how it stands now."),
    PersonSuspended: (403, "You could not be signed in", ""),
    SignInRefused: (403, "You could not be signed in", "Nothing was stored. Try again from the sign-in page."),
    GatewayRefused: (502, "The gateway refused", "Nothing else was changed. Try again, or ask support."),
    GatewayUnavailable: (
        503,
        "The gateway does not answer",
        "Activity and deletions still open. Keys and requests will be back with the gateway.",
    ),
}
HOME = ("/", "Go to the start page")
STAFF_HOME = (support.STAFF_SECTION, "Go to the staff section")
HTTP_WORDS = {
    400: ("Your browser sent something we cannot read", "Reload the page and try again."),
    404: ("Page not found", "Check the address, or start from the overview."),
    405: ("This page cannot be used that way", "Start again from the overview."),
    411: ("We cannot read this", "Send it with its length, as an ordinary form."),
    413: ("That is too large", "Nothing was stored. Send less at once."),
    414: ("This address is too long", "Open the page again with fewer filters."),
    415: ("We cannot read this", "Send it uncompressed, as an ordinary form."),
    431: ("Your browser sends too much with each request", "Delete this site's cookies, then sign in again."),
}
MAY_WORK_LATER = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class TryAgain:
    """Where to try again: the page that was asked for, or, if a form was `sent`, the page it was sent from."""

    url: str
    sent: bool


def install(app: Flask) -> None:
    """Answer every error of the application in words."""
    app.register_error_handler(DashboardError, _dashboard_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _dashboard_error(error: DashboardError) -> Response:
    if isinstance(error, GatewayRefused) and error.code == SENT_BEFORE:
        return answer(
            409, "This form was sent before", "Then it held something else, which was done. Open its page anew."
        )
    for kind, (status, title, advice) in ANSWERS.items():
        if isinstance(error, kind):
            if isinstance(error, NotAllowed) and g.get("support") is not None:
                advice = ""
            home = STAFF_HOME if isinstance(error, SupportSessionOver) else HOME
            return answer(status, title, f"{error} {advice}".strip(), home)
    return _unexpected(error)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, SecurityError):
        return answer(400, "This address is not served here", "Check the host name in the address.")
    if error.response is not None and status < 400:
        return make_response(error.response)
    if isinstance(error, RateLimitExceeded):
        return _too_many(error)
    title, message = HTTP_WORDS.get(status, ("Something went wrong", "Try again."))
    response = answer(status, title, message)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _too_many(error: RateLimitExceeded) -> Response:
    seconds = error.limit.limit.get_expiry()
    wait = "a minute" if seconds <= 60 else f"{seconds // 60} minutes"
    message = f"Nothing was done this time. Wait {wait}, then try again."
    return answer(429, "Too many tries", message, retry_after_seconds=seconds)


def _unexpected(error: Exception) -> Response:
    if isinstance(error, DBAPIError):
        # The statement and its parameters may hold personal data: only the kind of fault is logged.
        log.error("database fault", fault=type(error.orig).__name__, request_id=request_id())
        return answer(
            503,
            "The dashboard's database does not answer",
            f"{_what_happened()} API calls are not affected. Try again in a moment.",
        )
    if isinstance(error, StorageError):
        log.error("rate limits fault", request_id=request_id())
        return answer(503, "This cannot be done right now", "Nothing was changed. Reading still works. Try again soon.")
    log.error("unexpected fault", fault=type(error).__name__, where=_where(error), request_id=request_id())
    return answer(500, "Something went wrong on our side", f"{_what_happened()} Try again in a moment.")


def _what_happened() -> str:
    # The fault may have come after the gateway or the database had already acted.
    if request.method in SAFE_METHODS:
        return "Nothing was changed."
    return "What you just did may or may not have happened: look at its page to see how it stands."


def _where(error: BaseException) -> list[str]:
    # File and line of each frame, never values: a message or a local may hold a prompt or an address.
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return frames[-8:]


def answer(
    status: int,
    title: str,
    message: str,
    home: tuple[str, str] = HOME,
    *,
    retry_after_seconds: int = RETRY_AFTER_SECONDS,
) -> Response:
    """An error page; for htmx, the same words in the page's message region.

    Args:
        home: where the page leads to, and what its link says.
        retry_after_seconds: said where trying again may help.
    """
    response = _drawn(status, title, message, home)
    if status in (429, 503):
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def _drawn(status: int, title: str, message: str, home: tuple[str, str]) -> Response:
    context: dict[str, Any] = {"title": title, "message": message, "request_id": request_id()}
    if is_htmx() and wants_fragment():
        response = make_response(_draw("errors/note.html", context), status)
        response.headers["HX-Retarget"] = "#flash"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    context |= {"what_works": "", "home_url": home[0], "home_label": home[1], "try_again": None}
    if status in MAY_WORK_LATER:
        context["try_again"] = TryAgain(here(), sent=request.method not in SAFE_METHODS)
    if (bar := support.banner()) is not None:
        context |= {"support_session": bar, "csrf_token": csrf.token()}
    return make_response(_draw("errors/error.html", context), status)


def _draw(template: str, context: dict[str, Any]) -> str:
    # Without the context of ordinary pages, which needs a session and a host that is served here.
    drawn = current_app.jinja_env.get_template(template)
    values = {"support_session": None, "nonce": headers.nonce(), "theme": theme(), "product_name": "Anuma"}
    return drawn.render(**values | context)
