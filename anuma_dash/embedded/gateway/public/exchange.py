"""One request under way: what is known of it so far, and its settlement, which happens once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeGuard
from uuid import UUID

from anuma_dash.gateway.schemas import ControlName, Decision, Message

from ..contents import Content
from ..core import Gateway
from ..credit import Reservation, reserve
from ..metering import Price, Record, Settled, Usage
from . import refusals
from .admission import Admitted
from .endpoints import Count, Endpoint, Order, Relay
from .remembering import ENDPOINTS, Told, find_memories, with_memories
from .routes import Route
from .steps import Steps
from .words import estimate_tokens

CANCELED_STATUS = 499
"""Logged when the client left before it got a status line (nginx's number for it)."""

_MICRO_USD_PER_CREDIT = 10_000
_MAX_TOKENS = 2**40
_MOST_MICRO_USD = 2**53
_RESERVATION_GRACE = timedelta(minutes=1)
Outcome = Literal["completed", "failed", "canceled"]


class Exchange:
    """A metered request of a known key."""

    def __init__(
        self,
        gateway: Gateway,
        admitted: Admitted,
        request_id: UUID,
        arrived_at: datetime,
        endpoint: Endpoint,
        *,
        store_headers: Sequence[str] = (),
        required: Sequence[str] = (),
        conversation_headers: Sequence[str] = (),
        memory_headers: Sequence[str] = (),
        is_test: bool = False,
    ) -> None:
        self.id = request_id
        self.admitted = admitted
        self.arrived_at = arrived_at
        self.endpoint = endpoint
        self.required = required
        self.conversation_headers = conversation_headers
        self.conversation: str | None = None
        self.is_test = is_test
        self.at_arrival: dict[ControlName, Decision] = admitted.decisions(store_headers)
        self.uses_memories = self._uses_memories(memory_headers)
        self.order: Order | None = None
        self.sent: Order | None = None
        """The order as it goes to the provider: with memories, if any go along."""
        self.route: Route | None = None
        self.relay: Relay | None = None
        self.sent_to_provider = False
        self.status_sent: int | None = None
        self.first_byte_ms: int | None = None
        self.response: list[Message] = []
        self.usage: Usage | None = None
        self._reported: dict[str, Any] = {}
        self._gateway = gateway
        self._started = time.monotonic()
        self.steps = Steps(request_id, self._elapsed_ms, wanted=self.at_arrival["traces"].stored)
        self._reservation: asyncio.Task[bool] | None = None
        self._settlement: asyncio.Future[Settled] | None = None
        self._told: Told | None = None

    @property
    def may_store(self) -> bool:
        """Whether the policy at arrival allows any content of the request to be kept."""
        return self._keeps_words or self.at_arrival["traces"].stored

    @property
    def _keeps_words(self) -> bool:
        named = self.conversation is not None and self.at_arrival["chat_history"].stored
        return named or self.at_arrival["prompt_logging"].stored

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
        prompt, completion = self.endpoint.count(reported)
        if _is_count(prompt) and _is_count(completion):
            self.usage = Usage(prompt, completion, "provider")
            self._reported = reported

    def known_usage(self) -> Usage:
        """The provider's count; else an estimate; else none, if nothing went to a provider."""
        if self.usage is not None:
            return self.usage
        sent = self.sent or self.order
        if sent is None or not self.sent_to_provider:
            return Usage()
        completion = estimate_tokens(message.text for message in self.response)
        return Usage(self.endpoint.estimate_prompt(sent), completion, "estimated")

    def priced_usage(self) -> dict[str, Any]:
        """The `usage` object for the client: the provider's fields, and what it costs."""
        usage = self.known_usage()
        cost = self.price.cost(usage.prompt_tokens, usage.completion_tokens)
        return {
            **self.endpoint.usage(Count(usage.prompt_tokens, usage.completion_tokens)),
            **self._reported,
            "usage_source": usage.source,
            "cost_micro_usd": cost,
            "credits_used": cost / _MICRO_USD_PER_CREDIT,
            "pricing_source": self.price.source,
        }

    async def remember(self) -> None:
        """Let the owner's memories go along, if they may."""
        order, route, gateway, admitted = self.order, self.route, self._gateway, self.admitted
        if order is None or route is None or not self.uses_memories:
            return
        self._told = await gateway.in_thread(
            lambda: find_memories(gateway, admitted.account, admitted.subject, route.provider)
        )
        if self._told is not None:
            self.sent = with_memories(order, self._told)

    async def reserve(self) -> None:
        """Set the most that this may cost aside, if it costs anything and the account's credit is bounded.

        Raises:
            Refusal: 402, the credit does not reach.
        """
        order, route = self.sent or self.order, self.route
        if order is None or route is None or not (self.admitted.has_credit and route.price.costs):
            return
        tokens = self.endpoint.most_completion(order, route.most_output)
        cost = route.price.cost(self.endpoint.estimate_prompt(order), tokens)
        now = self._gateway.now()
        ends_at = now + timedelta(seconds=route.total_seconds) + _RESERVATION_GRACE
        wanted = Reservation(self.id, self.admitted.account, min(cost, _MOST_MICRO_USD), ends_at)
        work = self._gateway.in_thread(lambda: reserve(self._gateway.stores.main, wanted, now))
        self._reservation = asyncio.ensure_future(work)
        if not await asyncio.shield(self._reservation):
            raise refusals.out_of_credit()

    async def settle(self, outcome: Outcome, status: int, error_class: str | None = None) -> Settled:
        """Write the request's row. The first call decides; a later one gets the same answer, whoever is canceled."""
        if self._settlement is None:
            record = self._record(outcome, status, error_class)
            if self._reservation is None:
                self._settlement = self._gateway.settle(record)
            else:
                self._settlement = asyncio.ensure_future(self._settle_after(self._reservation, record))
        return await asyncio.shield(self._settlement)

    async def _settle_after(self, reservation: asyncio.Task[bool], record: Record) -> Settled:
        await asyncio.wait({reservation})  # a client that leaves does not stop it: it must be there to be released
        return await self._gateway.settle(record)

    @property
    def settling(self) -> bool:
        """Whether the settlement has begun."""
        return self._settlement is not None

    def _record(self, outcome: Outcome, status: int, error_class: str | None) -> Record:
        failed_early = outcome == "failed" and self.status_sent is None
        usage = Usage() if failed_early else self.known_usage()
        keep = self._keeps_words and outcome != "failed" and self.order is not None and self.route is not None
        route, admitted = self.route, self.admitted
        prompt = self.order.prompt if self.order else ()
        told = self._told if self.sent_to_provider else None
        return Record(
            id=self.id,
            account=admitted.account,
            subject=admitted.subject,
            environment=admitted.environment,
            arrived_at=self.arrived_at,
            endpoint=self.endpoint.name,
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
            has_reservation=self._reservation is not None,
            conversation=self.conversation,
            steps=self.steps.all(),
            memories=told.ids if told else (),
            first_told=told.first if told else (),
        )

    def _uses_memories(self, headers: Sequence[str]) -> bool:
        allowed = self.at_arrival["memories"].stored and self.endpoint.name in ENDPOINTS
        return allowed and self.admitted.keeps(headers)

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_TOKENS
