"""The outermost layer: request ids in and out, one log line a request, and no exception reaching the server.

The two APIs have answered by then, each in its own error shape, or the answer was under way: then the connection is
closed, which the client notices.
"""

from __future__ import annotations

import re
import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .core import Gateway
from .identifiers import uuid7
from .journal import JournalUnavailable
from .stores import DATABASE_ERRORS

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Guard:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self.gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the lifespan on."""
        if scope["type"] == "http":
            await _Answer(self.gateway, scope, send).run(self._app, receive)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, send)


class _Answer:
    def __init__(self, gateway: Gateway, scope: Scope, send: Send) -> None:
        self._gateway = gateway
        self._scope = scope
        self._send = send
        self._status: int | None = None
        self._streams = False
        made = uuid7(gateway.now())
        self._id = (is_internal(scope) and _given_id(scope)) or str(made).encode()
        scope.setdefault("state", {})["request_id"] = made

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        started = time.monotonic()
        try:
            await app(self._scope, receive, self._tagged)
        except DATABASE_ERRORS as error:
            self._log_error("database_unavailable", error)
        except JournalUnavailable as error:
            self._log_error("journal_unavailable", error)
        except Exception as error:
            self._log_error("failed", error)
        finally:
            if self._streams:
                self._gateway.metrics.streams.dec()
        self._note(time.monotonic() - started)

    async def _tagged(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            given = list(message.get("headers", []))
            if any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in given):
                self._streams = True
                self._gateway.metrics.streams.inc()
            message = {**message, "headers": [*given, (b"x-request-id", self._id)]}
        await self._send(message)

    def _note(self, seconds: float) -> None:
        route = self._scope.get("route")
        method = self._scope["method"] if route and self._scope["method"] in _METHODS else "other"
        path = getattr(route, "path", None)
        self._gateway.metrics.answered(path, method, self._status, seconds)
        self._gateway.log.info(
            "request",
            request_id=self._id.decode(),
            method=method,
            route=path,
            status=self._status,
            duration_ms=round(seconds * 1000),
        )

    def _log_error(self, event: str, error: Exception) -> None:
        self._gateway.log.error(event, error, request_id=self._id.decode())


def is_internal(scope: Scope) -> bool:
    """Whether this is for the internal API."""
    path: str = scope["path"]
    return path == "/internal" or path.startswith("/internal/")


def _given_id(scope: dict[str, Any] | Scope) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value if _REQUEST_ID.fullmatch(value) else None
    return None
