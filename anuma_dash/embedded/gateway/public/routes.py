"""Where a model's requests go: the built-in one, or a configured provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from ..metering import Price
from .chat import Order


class Route(Protocol):
    """One model at one provider."""

    model: str
    provider: str
    retention: str
    training: str
    price: Price

    async def complete(self, order: Order, request_id: UUID) -> dict[str, Any]:
        """The whole answer. Raises `Refusal`."""
        ...

    def stream(self, order: Order, request_id: UUID) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The answer's server-sent events, each with its closing blank line. Leaving early cancels it.

        Entering and iterating raise `Refusal`.
        """
        ...
