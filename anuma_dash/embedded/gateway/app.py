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
from .internal.bodies import BodyLimits
from .internal.trusted_keys import TrustedKeys
from .metrics import metrics
from .migrations import migrate
from .public import refusals
from .public.catalog import Catalog, Models
from .public.chat import CHAT
from .public.contract import PREFIXES
from .public.embeddings import EMBEDDINGS
from .public.evaluations import Evaluations
from .public.memories import Memories
from .public.metered import Metered
from .public.rates import Rates, Shares
from .public.refusals import Refusal
from .public.responses import RESPONSES
from .replay import prepare
from .settings import Settings
from .shedding import Shedding
from .stores import DATABASE_ERRORS


def create_app(settings: Settings, clock: Clock = utc_now) -> Guard:
    """Make the application: migrates both databases, replays the journal, then answers both APIs.

    Args:
        settings: from `environment.load_settings`.
        clock: what time it is; tests put their own in.
    """
    migrate(settings)
    gateway = Gateway(settings, clock)
    try:
        prepare(gateway)
    except BaseException:
        gateway.release()
        raise
    internal = internal_api()
    internal.state.gateway = gateway
    internal.state.trusted_keys = TrustedKeys(settings.trusted_jwks_file, gateway.log)
    background = internal.state.background = Background(gateway)
    limited = BodyLimits(internal, settings.body_seconds)
    catalog = Catalog(gateway)
    models = Models(gateway, catalog)
    rates = Rates(settings.requests_per_minute)
    shares = Shares(settings.max_account_requests)
    metered = [Metered(gateway, catalog, rates, shares, endpoint) for endpoint in (CHAT, RESPONSES, EMBEDDINGS)]
    # Those that are called most are looked at first.
    routes = [Route(f"{prefix}/{one.endpoint.name}", one, methods=["POST"]) for one in metered for prefix in PREFIXES]
    routes += [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    evaluations, memories = Evaluations(gateway, rates), Memories(gateway, rates)
    for prefix in PREFIXES:
        routes.append(Route(f"{prefix}/requests/{{request_id}}/evaluations", evaluations, methods=["POST"]))
        routes.append(Route(f"{prefix}/memories", memories, methods=["GET", "POST"]))
        routes.append(Route(f"{prefix}/models", models, methods=["GET"]))
        routes.append(Route(f"{prefix}/models/{{model:path}}", models, methods=["GET"]))

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
        app = limited if scope["type"] == "http" and is_internal(scope) else public
        await app(scope, receive, send)

    return Guard(Shedding(either, settings), gateway)


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
