"""`anuma/echo`: the built-in model. Deterministic, offline, free: it says the last message again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

from ..metering import Price
from ..settings import BUILT_IN_PROVIDER, ECHO_MODEL, EndpointName
from . import echo_chat, echo_embeddings, echo_responses
from .endpoints import Order
from .steps import Attempt

_COMPLETE = {
    "chat/completions": echo_chat.complete,
    "responses": echo_responses.complete,
    "embeddings": echo_embeddings.complete,
}
_EVENTS = {"chat/completions": echo_chat.events, "responses": echo_responses.events}


class Echo:
    """The built-in route."""

    model = ECHO_MODEL
    provider = BUILT_IN_PROVIDER
    retention = "none: built into this gateway"
    training = "none: built into this gateway"
    region = "this gateway's own"
    endpoints: tuple[EndpointName, ...] = get_args(EndpointName)
    price = Price(source="free")
    most_output = 0
    total_seconds = 60.0

    async def complete(self, order: Order, attempt: Attempt) -> dict[str, Any]:
        """The whole answer. Raises `Refusal`."""
        attempt.status = 200
        return _COMPLETE[order.endpoint.name](order, attempt.request_id)

    @asynccontextmanager
    async def stream(self, order: Order, attempt: Attempt) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """The answer in pieces, then the usage."""
        attempt.status = 200
        yield _each(_EVENTS[order.endpoint.name](order, attempt.request_id))


async def _each(events: list[bytes]) -> AsyncIterator[list[bytes]]:
    for event in events:
        yield [event]
