"""A configured, OpenAI-compatible provider."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from typing import Any
from uuid import UUID

import httpx

from ..metering import Price
from ..settings import PricedModel, Provider
from . import refusals
from .chat import Order

_EVENT_END = re.compile(rb"\r?\n\r?\n|\r\r")
_REFUSED_BODY = (400, 413, 415, 422)
_DEFAULT_RETRY_SECONDS = 10
_MAX_RETRY_SECONDS = 3600
_CONNECT_SECONDS = 5.0


class Upstream:
    """One model of one provider."""

    def __init__(
        self, provider: Provider, model: PricedModel, client: Callable[[], httpx.AsyncClient], max_bytes: int
    ) -> None:
        self.model = model.id
        self.provider = provider.name
        self.retention = provider.retention
        self.training = provider.training
        self.price = Price(model.input_micro_usd_per_million, model.output_micro_usd_per_million, "configuration")
        self._upstream_id = model.upstream_id or model.id
        self._url = f"{provider.base_url}/chat/completions"
        self._authorization = f"Bearer {provider.api_key.get_secret_value()}"
        self._timeout = httpx.Timeout(provider.timeout_seconds, connect=_CONNECT_SECONDS)
        self._client = client
        self._max_bytes = max_bytes

    async def complete(self, order: Order, request_id: UUID) -> dict[str, Any]:
        """The whole answer."""
        body = order.body | {"model": self._upstream_id}
        with _provider_errors():
            async with self._post(body) as response, aclosing(_bytes(response)) as chunks:
                data = bytearray()
                async for chunk in chunks:
                    data += chunk
                    if len(data) > self._max_bytes:
                        raise refusals.provider_failed()
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            raise refusals.provider_failed() from None
        if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
            raise refusals.provider_failed()
        return answer

    @asynccontextmanager
    async def stream(self, order: Order, request_id: UUID) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer's events. The provider is always asked for the usage."""
        options = (order.body.get("stream_options") or {}) | {"include_usage": True}
        body = order.body | {"model": self._upstream_id, "stream_options": options}
        with _provider_errors():
            async with self._post(body) as response, aclosing(self._events(response)) as events:
                yield events

    @asynccontextmanager
    async def _post(self, body: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        request = self._client().stream(
            "POST",
            self._url,
            content=json.dumps(body).encode(),
            headers={"authorization": self._authorization, "content-type": "application/json"},
            timeout=self._timeout,
        )
        async with request as response:
            _check(response)
            yield response

    async def _events(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        pending = b""
        async with aclosing(_bytes(response)) as chunks:
            async for chunk in chunks:
                pending += chunk
                start = 0
                for end in _EVENT_END.finditer(pending):
                    yield pending[start : end.end()]
                    start = end.end()
                pending = pending[start:]
                if len(pending) > self._max_bytes:
                    raise refusals.provider_failed()
        if pending.strip():
            yield pending + b"\n\n"


async def _bytes(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    async for chunk in response.aiter_bytes():
        yield chunk


def _check(response: httpx.Response) -> None:
    if response.status_code == 200:
        return
    if response.status_code == 429:
        raise refusals.provider_limited(_retry_after(response.headers.get("retry-after", "")))
    if response.status_code in _REFUSED_BODY:
        raise refusals.provider_refused(response.status_code)
    raise refusals.provider_failed()


def _retry_after(value: str) -> int:
    if re.fullmatch(r"[0-9]{1,9}", value):
        return min(int(value), _MAX_RETRY_SECONDS)
    return _DEFAULT_RETRY_SECONDS


@contextmanager
def _provider_errors() -> Iterator[None]:
    try:
        yield
    except httpx.TimeoutException:
        raise refusals.provider_timed_out() from None
    except (httpx.HTTPError, httpx.StreamError, UnicodeError):
        raise refusals.provider_failed() from None
