"""Where a model's requests go: the built-in one, or a configured provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from ..metering import Price
from ..settings import EndpointName
from .endpoints import Order
from .steps import Attempt


class Route(Protocol):
    """One model at one provider."""

    model: str
    provider: str
    retention: str
    training: str
    region: str
    endpoints: tuple[EndpointName, ...]
    price: Price
    most_output: int
    """How many tokens an answer may have if the request does not say, for what it may cost."""
    total_seconds: float
    """How long a request may take."""

    async def complete(self, order: Order, attempt: Attempt) -> dict[str, Any]:
        """The whole answer. Raises `Refusal`."""
        ...

    def stream(self, order: Order, attempt: Attempt) -> AbstractAsyncContextManager[AsyncIterator[list[bytes]]]:
        """The answer's server-sent events, each with its closing blank line, together those that came together.

        Leaving early cancels it.

        Entering and iterating raise `Refusal`.
        """
        ...
