"""The gateway as one ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from .background import Background
from .core import Gateway
from .guard import Guard, is_internal
from .health import healthz, readyz
from .identifiers import Clock, utc_now
from .internal.application import internal_api
from .internal.trusted_keys import TrustedKeys
from .migrations import migrate
from .public import refusals
from .public.catalog import Catalog, Models
from .public.completions import ChatCompletions
from .public.refusals import Refusal
from .settings import Settings
from .stores import DATABASE_ERRORS


def create_app(settings: Settings, clock: Clock = utc_now) -> Guard:
    """Make the application: migrates both databases, then answers the public and the internal API.

    Args:
        settings: from `environment.load_settings`.
        clock: what time it is; tests put their own in.
    """
    migrate(settings)
    gateway = Gateway(settings, clock)
    internal = internal_api()
    internal.state.gateway = gateway
    internal.state.trusted_keys = TrustedKeys(settings.trusted_jwks_file, gateway.log)
    background = internal.state.background = Background(gateway)
    catalog = Catalog(gateway)
    chat, models = ChatCompletions(gateway, catalog), Models(gateway, catalog)
    routes = [Route("/healthz", healthz), Route("/readyz", readyz)]
    for prefix in ("/v1", "/api/v1"):
        routes.append(Route(f"{prefix}/chat/completions", chat, methods=["POST"]))
        routes.append(Route(f"{prefix}/models", models, methods=["GET"]))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        background.start()
        try:
            yield
        finally:
            background.stop()
            await gateway.close()

    handlers = {HTTPException: _no_such_route, Exception: _failed}
    public = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    public.state.gateway = gateway

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        app = internal if scope["type"] == "http" and is_internal(scope) else public
        await app(scope, receive, send)

    return Guard(either, gateway)


async def _no_such_route(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    refusal = Refusal(error.status_code, code, "There is no such endpoint here.")
    return Response(refusal.encode(), refusal.status, error.headers, media_type="application/json")


async def _failed(_request: Request, error: Exception) -> Response:
    """The guard logs it: Starlette raises it again after this."""
    down = isinstance(error, DATABASE_ERRORS)
    refusal = refusals.unavailable() if down else refusals.internal_error()
    answer = Response(refusal.encode(), refusal.status, media_type="application/json")
    if refusal.retry_after_seconds is not None:
        answer.headers["Retry-After"] = str(refusal.retry_after_seconds)
    return answer
