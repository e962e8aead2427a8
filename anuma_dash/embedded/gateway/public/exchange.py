"""One request under way: what is known of it so far, and its settlement, which happens once."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any, Literal, TypeGuard
from uuid import UUID

from anuma_dash.gateway.schemas import Decision, Message

from ..contents import Content
from ..core import Gateway
from ..metering import Price, Record, Settled, Usage
from .admission import Admitted
from .chat import Order, estimate_tokens
from .routes import Route

CANCELED_STATUS = 499
"""Logged when the client left before it got a status line (nginx's number for it)."""

_MICRO_USD_PER_CREDIT = 10_000
_MAX_TOKENS = 2**40
Outcome = Literal["completed", "failed", "canceled"]


class Exchange:
    """A metered request of a known key."""

    def __init__(
        self,
        gateway: Gateway,
        admitted: Admitted,
        request_id: UUID,
        arrived_at: datetime,
        endpoint: str,
        *,
        store_header: str | None = None,
        is_test: bool = False,
    ) -> None:
        self.id = request_id
        self.admitted = admitted
        self.arrived_at = arrived_at
        self.endpoint = endpoint
        self.is_test = is_test
        self.at_arrival: Decision = admitted.decision(store_header)
        self.order: Order | None = None
        self.route: Route | None = None
        self.sent_to_provider = False
        self.status_sent: int | None = None
        self.first_byte_ms: int | None = None
        self.response: list[Message] = []
        self.usage: Usage | None = None
        self._gateway = gateway
        self._started = time.monotonic()
        self._settlement: asyncio.Task[Settled] | None = None

    @property
    def may_store(self) -> bool:
        """Whether the policy at arrival allows content to be kept."""
        return self.at_arrival.stored

    @property
    def price(self) -> Price:
        """The price of the route, none before there is one."""
        return self.route.price if self.route else Price()

    def first_byte(self) -> None:
        """Take the time of the provider's first byte."""
        if self.first_byte_ms is None:
            self.first_byte_ms = self._elapsed_ms()

    def take_usage(self, reported: object) -> None:
        """Take the provider's own count, if it is one."""
        if not isinstance(reported, dict):
            return
        prompt, completion = reported.get("prompt_tokens"), reported.get("completion_tokens", 0)
        if _is_count(prompt) and _is_count(completion):
            self.usage = Usage(prompt, completion, "provider")

    def known_usage(self) -> Usage:
        """The provider's count; else an estimate; else none, if nothing went to a provider."""
        if self.usage is not None:
            return self.usage
        if self.order is None or not self.sent_to_provider:
            return Usage()
        prompt = estimate_tokens(message.text for message in self.order.prompt)
        return Usage(prompt, estimate_tokens(message.text for message in self.response), "estimated")

    def priced_usage(self, reported: dict[str, Any] | None = None) -> dict[str, Any]:
        """The `usage` object for the client: the provider's fields, and what it costs."""
        usage = self.known_usage()
        cost = self.price.cost(usage.prompt_tokens, usage.completion_tokens)
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
            **(reported if reported and usage.source == "provider" else {}),
            "usage_source": usage.source,
            "cost_micro_usd": cost,
            "credits_used": cost / _MICRO_USD_PER_CREDIT,
            "pricing_source": self.price.source,
        }

    async def settle(self, outcome: Outcome, status: int, error_class: str | None = None) -> Settled:
        """Write the request's row. The first call decides; a later one gets the same answer, whoever is canceled."""
        if self._settlement is None:
            record, now = self._record(outcome, status, error_class), self._gateway.now()
            work = self._gateway.in_thread(lambda: self._gateway.meter.settle(record, now))
            self._settlement = asyncio.ensure_future(work)
        return await asyncio.shield(self._settlement)

    @property
    def settling(self) -> bool:
        """Whether the settlement has begun."""
        return self._settlement is not None

    def _record(self, outcome: Outcome, status: int, error_class: str | None) -> Record:
        failed_early = outcome == "failed" and self.status_sent is None
        usage = Usage() if failed_early else self.known_usage()
        keep = self.may_store and outcome != "failed" and self.order is not None and self.route is not None
        route, admitted = self.route, self.admitted
        prompt = self.order.prompt if self.order else ()
        return Record(
            id=self.id,
            account=admitted.account,
            key_id=admitted.key_id,
            created_by=admitted.created_by,
            environment=admitted.environment,
            arrived_at=self.arrived_at,
            endpoint=self.endpoint,
            model=route.model if route else "unknown",  # never the caller's own words
            provider=route.provider if route else "none",
            provider_retention=route.retention if route else "",
            provider_training=route.training if route else "",
            price=self.price,
            usage=usage,
            status=status,
            error_class=error_class,
            outcome=outcome,
            streamed=bool(self.order and self.order.stream),
            latency_ms=self._elapsed_ms(),
            first_byte_ms=self.first_byte_ms,
            is_test=self.is_test,
            at_arrival=self.at_arrival,
            epoch_at_arrival=admitted.policy.epoch,
            content=Content(prompt, tuple(self.response)) if keep else None,
        )

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TOKENS
