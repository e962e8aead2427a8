"""More requests than this process can answer are refused at once, before their body is read.

Streams are counted apart once their answer has begun: they mostly wait for the provider, and are limited by memory
and connections, not by work.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import problems
from .guard import is_internal
from .public.refusals import overloaded
from .settings import Settings

_EXEMPT = ("/healthz", "/readyz")


class Shedding:
    """Wraps both APIs, each with a limit of its own: customers' traffic cannot lock the dashboard out."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self.internal = self.public = self.streams = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or scope["path"] in _EXEMPT:
            await self._app(scope, receive, send)
        elif is_internal(scope):
            await self._internal(scope, receive, send)
        else:
            await self._public(scope, receive, send)

    async def _internal(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.internal >= self._settings.max_internal_requests:
            await problems.response(problems.overloaded())(scope, receive, send)
            return
        self.internal += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self.internal -= 1

    async def _public(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.public >= self._settings.max_public_requests or self.streams >= self._settings.max_streams:
            refusal = overloaded()
            await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers()})
            await send({"type": "http.response.body", "body": refusal.encode()})
            return
        streaming = False

        async def counted(message: Message) -> None:
            nonlocal streaming
            if not streaming and message.get("more_body"):
                streaming = True
                self.public -= 1
                self.streams += 1
            await send(message)

        self.public += 1
        try:
            await self._app(scope, receive, counted)
        finally:
            if streaming:
                self.streams -= 1
            else:
                self.public -= 1
