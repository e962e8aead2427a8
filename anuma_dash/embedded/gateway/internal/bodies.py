"""Limits on what arrives: how long a body may be, how long it may take, and that it is JSON."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import problems
from ..problems import Refused

_MAX_BYTES: Final = 2**20


class BodyLimits:
    """Wraps the internal API: it gets whole bodies only.

    Args:
        seconds: how long a body may take to arrive.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then hand it on; or refuse it."""
        headers = Headers(scope=scope)
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(headers, receive)
            if body is None:
                return
            _check_type(headers, body)
        except TimeoutError:
            answer = problems.response(Refused(408, "request_timeout", "The body did not arrive in time."))
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
        except Refused as refused:
            await problems.response(refused)(scope, receive, send)
        else:
            await self._app(scope, _replay(body, receive), send)


async def _read(headers: Headers, receive: Receive) -> bytes | None:
    """The body; `None` if the caller left before it was whole."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > _MAX_BYTES:
        raise _too_large()
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MAX_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> Refused:
    return Refused(413, "request_too_large", "The body is over 1 MB.")


def _check_type(headers: Headers, body: bytes) -> None:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":
        raise Refused(415, "unsupported_media_type", "Bodies are application/json.")


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
