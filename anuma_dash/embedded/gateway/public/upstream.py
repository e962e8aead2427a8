"""A configured, OpenAI-compatible provider."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ..connections import Answer, Broken, Connections, Target, Times
from ..metering import Price
from ..settings import PricedModel, Provider
from . import refusals
from .endpoints import Order
from .refusals import Refusal
from .steps import MOST_HEARD_BYTES, Attempt

_EVENT_END = re.compile(rb"\r?\n\r?\n|\r\r")
_REFUSED_BODY = (400, 413, 415, 422)
_DEFAULT_RETRY_SECONDS = 10
_MAX_RETRY_SECONDS = 3600
_HEAR_SECONDS = 1.0


class Upstream:
    """One model of one provider."""

    def __init__(
        self, provider: Provider, model: PricedModel, connections: Callable[[], Connections], max_bytes: int
    ) -> None:
        self.model = model.id
        self.provider = provider.name
        self.retention = provider.retention
        self.training = provider.training
        self.region = provider.region
        self.endpoints = model.endpoints or provider.endpoints
        self.price = Price(model.input_micro_usd_per_million, model.output_micro_usd_per_million, "configuration")
        self.most_output = model.max_output_tokens
        self.total_seconds = provider.total_timeout_seconds
        self._upstream_id = model.upstream_id or model.id
        self._headers = [
            (b"authorization", f"Bearer {provider.api_key.get_secret_value()}".encode()),
            (b"content-type", b"application/json"),
            (b"user-agent", b"anuma-gateway"),
            (b"accept-encoding", b"identity"),
        ]
        self._targets = {name: Target.of(f"{provider.base_url}/{name}") for name in self.endpoints}
        self._limits = _Limits(
            provider.connect_timeout_seconds,
            provider.first_byte_timeout_seconds or provider.timeout_seconds,
            provider.timeout_seconds,
            provider.total_timeout_seconds,
        )
        self._connections = connections
        self._max_bytes = max_bytes

    async def complete(self, order: Order, attempt: Attempt) -> dict[str, Any]:
        """The whole answer."""
        with _provider_errors(), closing(await self._post(order, attempt)) as response:
            data = bytearray()
            while part := await response.read():
                data += part
                if len(data) > self._max_bytes:
                    raise refusals.provider_failed()
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            attempt.hear(bytes(data))
            raise refusals.provider_failed() from None
        if not isinstance(answer, dict) or not order.endpoint.is_answer(answer):
            attempt.hear(bytes(data))
            raise refusals.provider_failed()
        return answer

    @asynccontextmanager
    async def stream(self, order: Order, attempt: Attempt) -> AsyncIterator[AsyncIterator[list[bytes]]]:
        """The answer's events, together those that came together."""
        with _provider_errors(), closing(await self._post(order, attempt)) as response:
            async with aclosing(self._events(response)) as events:
                yield events

    async def _post(self, order: Order, attempt: Attempt) -> Answer:
        """Send, and give the answer. The silence before its first byte includes the status line."""
        body = json.dumps(order.endpoint.upstream_body(order) | {"model": self._upstream_id}).encode()
        target = self._targets[order.endpoint.name]
        response = await self._connections().post(target, self._headers, body, self._limits.begin())
        attempt.status = response.status
        try:
            _check(response)
        except Refusal:
            if attempt.heeds:
                attempt.hear(await _beginning(response))
            response.close()
            raise
        return response

    async def _events(self, response: Answer) -> AsyncGenerator[list[bytes], None]:
        pending = b""
        while chunk := await response.read():
            pending += chunk
            ends = [0, *(found.end() for found in _EVENT_END.finditer(pending))]
            if len(ends) > 1:
                yield [pending[start:end] for start, end in pairwise(ends)]
            pending = pending[ends[-1] :]
            if len(pending) > self._max_bytes:
                raise refusals.provider_failed()
        if pending.strip():
            yield [pending + b"\n\n"]


@dataclass(frozen=True)
class _Limits:
    """How long a provider may take, in seconds."""

    connect: float
    first_byte: float
    silence: float
    total: float

    def begin(self) -> Times:
        """The limits of a request that begins now."""
        now = asyncio.get_running_loop().time()
        return Times(self.connect, self.silence, now + self.first_byte, now + self.total)


async def _beginning(response: Answer) -> bytes:
    """The beginning of a refusal's body, as much of it as comes soon: the client waits."""
    data = bytearray()
    with suppress(TimeoutError, Broken):
        async with asyncio.timeout(_HEAR_SECONDS):
            while len(data) < MOST_HEARD_BYTES and (part := await response.read()):
                data += part
    return bytes(data)


def _check(response: Answer) -> None:
    if response.status == 200:
        return
    if response.status == 429:
        raise refusals.provider_limited(_retry_after(response.header(b"retry-after")))
    if response.status in _REFUSED_BODY:
        raise refusals.provider_refused(response.status)
    raise refusals.provider_failed()


def _retry_after(value: str) -> int:
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(int(value), _MAX_RETRY_SECONDS)
    return _DEFAULT_RETRY_SECONDS


@contextmanager
def _provider_errors() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise refusals.provider_timed_out() from None
    except Broken:
        raise refusals.provider_failed() from None
