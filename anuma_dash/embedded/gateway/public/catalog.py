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
from .endpoints import Order
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
            routes += [Upstream(provider, model, lambda: gateway.connections, limit) for model in provider.models]
        self._routes = {route.model: route for route in routes}

    def route(self, order: Order, environment: str) -> Route:
        """Where a key's request goes. A model has one route: if that fails, no other takes its place.

        Raises:
            Refusal: 404 no such model, or not at this endpoint; 403 a test key asked for a provider's.
        """
        route = self._routes.get(order.model)
        if route is None:
            raise refusals.model_not_found()
        if environment == "test" and not isinstance(route, Echo):
            raise refusals.model_not_allowed()
        if order.endpoint.name not in route.endpoints:
            raise refusals.endpoint_not_supported(route.endpoints)
        return route

    def reachable(self, environment: str) -> list[Route]:
        """The models that a key of this environment may call."""
        routes = self._routes.values()
        return [route for route in routes if environment == "live" or isinstance(route, Echo)]


class Models:
    """`GET /v1/models` and `GET /v1/models/{id}`, an ASGI application."""

    def __init__(self, gateway: Gateway, catalog: Catalog) -> None:
        self._gateway = gateway
        self._catalog = catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. It is not metered: nothing is routed."""
        try:
            routes = self._catalog.reachable(await self._environment(Headers(scope=scope)))
            model = scope.get("path_params", {}).get("model")
            answer = _all(routes) if model is None else _one(routes, model)
        except Refusal as refusal:
            await send_refusal(send, refusal)
            return
        await send_all(send, 200, [JSON], json.dumps(answer).encode())

    async def _environment(self, headers: Headers) -> str:
        gateway = self._gateway
        presented, now = presented_key(headers), gateway.now()
        admitted = await gateway.look_up(lambda: admit(gateway.stores.main, presented, now))
        if admitted.refusal is not None:
            raise admitted.refusal
        return admitted.environment


def _all(routes: list[Route]) -> dict[str, object]:
    return {"object": "list", "data": [_model(route) for route in routes]}


def _one(routes: list[Route], model: str) -> dict[str, object]:
    found = next((route for route in routes if route.model == model), None)
    if found is None:
        raise refusals.model_not_found()
    return _model(found)


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
        "terms": {"retention": route.retention, "training": route.training, "region": route.region},
        "endpoints": [f"/v1/{name}" for name in route.endpoints],
    }
