"""Problem details (RFC 9457) of the internal API, each with a stable `code`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, StatementError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from anuma_dash.gateway.schemas import Problem

from .encryption import Unreadable
from .journal import JournalUnavailable
from .stores import DATABASE_ERRORS

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 5


class Refused(Exception):
    """An answer other than success; `extra` are further fields of `Problem`."""

    def __init__(self, status: int, code: str, detail: str = "", **extra: Any) -> None:
        super().__init__(code)
        title = HTTPStatus(status).phrase
        self.problem = Problem(title=title, status=status, code=code, detail=detail, **extra)


def not_found() -> Refused:
    """There is no such thing, or it is another account's: the two answer alike."""
    return Refused(404, "not_found", "There is no such thing here.")


def unreadable() -> Refused:
    """Stored content was moved or altered, or its keys are not configured."""
    return Refused(500, "content_unreadable", "The content does not decrypt.")


def unavailable() -> Refused:
    """The gateway's own database does not answer, or its journal takes no more."""
    detail = "The gateway cannot reach its database."
    return Refused(503, "database_unavailable", detail, retry_after_seconds=_RETRY_SECONDS)


def holds_unreadable() -> Refused:
    """Nobody can say what a legal duty keeps."""
    detail = "The register of legal holds cannot be read."
    return Refused(503, "holds_unreadable", detail, retry_after_seconds=_RETRY_SECONDS)


def overloaded() -> Refused:
    """More calls at once than `max_internal_requests`; nothing was done."""
    detail = "The gateway has too much to do right now. Nothing was done."
    return Refused(503, "overloaded", detail, retry_after_seconds=1)


def internal_error() -> Refused:
    """A defect of the gateway."""
    return Refused(500, "internal_error", "The gateway failed. The request id finds the cause in its log.")


def response(refused: Refused) -> Response:
    """The answer for a refusal."""
    problem = refused.problem
    answer = Response(problem.model_dump_json(exclude_none=True), status_code=problem.status, media_type=MEDIA_TYPE)
    if problem.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(problem.retry_after_seconds)
    if problem.status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def install(app: FastAPI) -> None:
    """Make an application answer every refusal as problem details."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Unreadable, _unreadable)
    app.add_exception_handler(StatementError, _unstorable)
    app.add_exception_handler(OverflowError, _unstorable)
    app.add_exception_handler(Exception, _failed)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return response(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    """Names the fields and what is wrong with them, never their values."""
    assert isinstance(error, RequestValidationError)
    found = [
        f"{'.'.join(str(part) for part in item['loc'] if part != '__root__')}: {item['type']}"
        for item in error.errors()[:10]
    ]
    return response(Refused(422, "invalid_request", "; ".join(found)))


async def _unreadable(_request: Request, _error: Exception) -> Response:
    """A ciphertext that was moved or altered."""
    return response(Refused(500, "content_unreadable", "The content does not decrypt."))


async def _unstorable(_request: Request, error: Exception) -> Response:
    """Well-formed values that no database holds: a NUL in a name, a time before the year 1 in UTC."""
    if isinstance(error, (DataError, OverflowError)) or isinstance(getattr(error, "orig", None), OverflowError):
        return response(Refused(422, "invalid_request", "A value is out of range."))
    raise error


async def _failed(_request: Request, error: Exception) -> Response:
    """The guard logs it: Starlette raises it again after this."""
    down = isinstance(error, (*DATABASE_ERRORS, JournalUnavailable))
    return response(unavailable() if down else internal_error())


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return response(not_found())
    code = HTTPStatus(error.status_code).name.lower()
    answer = response(Refused(error.status_code, code))
    answer.headers.update(error.headers or {})
    return answer
