"""From errors to answers: the only place that turns what went wrong into a status and words for people.

Error pages need neither the database nor the gateway.
"""

from __future__ import annotations

from typing import Any

import structlog
from flask import Flask, Response, current_app, make_response, request
from limits.errors import StorageError
from sqlalchemy.exc import DBAPIError
from werkzeug.exceptions import HTTPException, SecurityError

from anuma_dash.errors import (
    Conflict,
    DashboardError,
    Forged,
    GatewayRefused,
    GatewayUnavailable,
    Invalid,
    NotAllowed,
    NotFound,
    SignInRefused,
)
from anuma_dash.web import headers
from anuma_dash.web.access import SAFE_METHODS, is_htmx
from anuma_dash.web.render import theme, wants_fragment
from anuma_dash.web.state import request_id

log = structlog.get_logger()

ANSWERS: dict[type[DashboardError], tuple[int, str, str]] = {
    NotFound: (404, "Page not found", "Check the address, or start from the overview."),
    NotAllowed: (403, "You may not do this", "An owner of the account can change roles."),
    Forged: (403, "This form was not accepted", ""),
    Invalid: (422, "Something is missing or wrong", "Go back and check what you entered; nothing was changed."),
    Conflict: (409, "This has changed in the meantime", "Reload the page to see how it stands now."),
    SignInRefused: (403, "You could not be signed in", "Nothing was stored. Try again from the sign-in page."),
    GatewayRefused: (502, "The gateway refused", "Nothing else was changed. Try again, or ask support."),
    GatewayUnavailable: (
        503,
        "The gateway does not answer",
        "Activity and deletions still open. Keys and requests will be back with the gateway.",
    ),
}
HTTP_WORDS = {
    400: ("Your browser sent something we cannot read", "Reload the page and try again."),
    404: ("Page not found", "Check the address, or start from the overview."),
    405: ("This page cannot be used that way", "Start again from the overview."),
    413: ("That is too large", "Send less at once; nothing was stored."),
    429: ("Too many tries", "Wait a minute, then try again."),
}


def install(app: Flask) -> None:
    """Answer every error of the application in words."""
    app.register_error_handler(DashboardError, _dashboard_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def _dashboard_error(error: DashboardError) -> Response:
    for kind, (status, title, advice) in ANSWERS.items():
        if isinstance(error, kind):
            response = answer(status, title, f"{error} {advice}".strip())
            if status == 503:
                response.headers["Retry-After"] = "5"
            return response
    return _unexpected(error)


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, SecurityError):
        return answer(400, "This address is not served here", "Check the host name in the address.")
    if error.response is not None and status < 400:
        return make_response(error.response)
    title, message = HTTP_WORDS.get(status, ("Something went wrong", "Try again."))
    response = answer(status, title, message)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


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


def answer(status: int, title: str, message: str) -> Response:
    """An error page; for htmx, the same words in the page's message region."""
    context: dict[str, Any] = {"title": title, "message": message, "request_id": request_id()}
    if is_htmx() and wants_fragment():
        response = make_response(_draw("errors/note.html", context), status)
        response.headers["HX-Retarget"] = "#flash"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    context |= {"what_works": "", "home_url": "/"}
    return make_response(_draw("errors/error.html", context), status)


def _draw(template: str, context: dict[str, Any]) -> str:
    # Without the context of ordinary pages, which needs a session and a host that is served here.
    drawn = current_app.jinja_env.get_template(template)
    return drawn.render(**context, nonce=headers.nonce(), theme=theme(), product_name="Anuma")
