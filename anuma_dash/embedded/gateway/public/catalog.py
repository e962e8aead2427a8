"""The models there are, and `GET /v1/models`."""

from __future__ import annotations

import json

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from ..core import Gateway
from . import refusals
from .admission import admit, presented_key
from .answers import JSON, send_all, send_refusal
from .echo import Echo
from .refusals import Refusal
from .routes import Route
from .upstream import Upstream

_BUILT_IN_SINCE = 1_767_225_600  # 2026-01-01, for the `created` that OpenAI's clients expect


class Catalog:
    """Routes by model id."""

    def __init__(self, gateway: Gateway) -> None:
        limit = gateway.settings.max_provider_body_bytes
        routes: list[Route] = [Echo()]
        for provider in gateway.settings.providers:
            routes += [Upstream(provider, model, lambda: gateway.client, limit) for model in provider.models]
        self._routes = {route.model: route for route in routes}

    def route(self, model: str, environment: str) -> Route:
        """Where a key's request for this model goes.

        Raises:
            Refusal: 404 no such model; 403 a test key asked for a provider's.
        """
        route = self._routes.get(model)
        if route is None:
            raise refusals.model_not_found()
        if environment == "test" and not isinstance(route, Echo):
            raise refusals.model_not_allowed()
        return route

    def reachable(self, environment: str) -> list[Route]:
        """The models that a key of this environment may call."""
        routes = self._routes.values()
        return [route for route in routes if environment == "live" or isinstance(route, Echo)]


class Models:
    """`GET /v1/models`, an ASGI application."""

    def __init__(self, gateway: Gateway, catalog: Catalog) -> None:
        self._gateway = gateway
        self._catalog = catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. It is not metered: nothing is routed."""
        gateway = self._gateway
        try:
            presented, now = presented_key(Headers(scope=scope)), gateway.now()
            admitted = await gateway.in_thread(lambda: admit(gateway.stores.main, presented, now))
            if admitted.refusal is not None:
                raise admitted.refusal
        except Refusal as refusal:
            await send_refusal(send, refusal)
            return
        models = [_model(route) for route in self._catalog.reachable(admitted.environment)]
        await send_all(send, 200, [JSON], json.dumps({"object": "list", "data": models}).encode())


def _model(route: Route) -> dict[str, object]:
    return {
        "id": route.model,
        "object": "model",
        "created": _BUILT_IN_SINCE,
        "owned_by": route.provider,
        "pricing": {
            "input_micro_usd_per_million": route.price.input_micro_usd_per_million,
            "output_micro_usd_per_million": route.price.output_micro_usd_per_million,
        },
        "terms": {"retention": route.retention, "training": route.training},
    }
