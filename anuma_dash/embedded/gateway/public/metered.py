"""A metered request from its arrival to its row: the hot path, the same for every endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from ..core import Gateway
from ..metering import Settled
from ..stores import DATABASE_ERRORS
from . import naming, refusals
from .admission import admit, presented_key
from .answers import send_all, send_refusal
from .catalog import Catalog
from .endpoints import Endpoint, Order, Relay, StreamingEndpoint
from .exchange import CANCELED_STATUS, Exchange
from .rates import Rates, Shares
from .refusals import Refusal
from .requirements import HEADER, check_requirements

_EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class ClientGone(Exception):
    """The client closed its connection, or takes nothing of its answer any more."""


class Metered:
    """One endpoint, an ASGI application."""

    def __init__(self, gateway: Gateway, catalog: Catalog, rates: Rates, shares: Shares, endpoint: Endpoint) -> None:
        self._gateway = gateway
        self._catalog = catalog
        self._rates = rates
        self._shares = shares
        self.endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway, headers = self._gateway, Headers(scope=scope)
        arrived_at = gateway.now()
        try:
            presented = presented_key(headers)
            admitted = await gateway.look_up(lambda: admit(gateway.stores.main, presented, arrived_at))
        except Refusal as refusal:
            await send_refusal(send, refusal)
            return
        exchange = Exchange(
            gateway,
            admitted,
            scope["state"]["request_id"],
            arrived_at,
            self.endpoint,
            store_headers=headers.getlist("x-anuma-store"),
            required=headers.getlist(HEADER),
            conversation_headers=headers.getlist(naming.HEADER),
            memory_headers=headers.getlist("x-anuma-memories"),
        )
        with suppress(ClientGone):  # it left while it was told of a refusal
            await self._until_gone(exchange, headers, receive, self._patiently(send))

    def _patiently(self, send: Send) -> Send:
        seconds = self._gateway.settings.stalled_seconds

        async def sending(message: Message) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await send(message)
            except TimeoutError:
                raise ClientGone from None

        return sending

    async def _until_gone(self, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            if exchange.admitted.refusal is not None:
                raise exchange.admitted.refusal
            if wait_seconds := self._rates.take(exchange.admitted.subject.key_id):
                raise refusals.rate_limited(wait_seconds)
            with self._shares.one(exchange.admitted.account):
                body = await self._body(headers, receive)
                await _while_there(self._answer(exchange, body, send), receive)
        except Refusal as refusal:
            await _fail(exchange, refusal, send)
        except ClientGone:
            await exchange.settle("canceled", exchange.status_sent or CANCELED_STATUS, "client_gone")
        except asyncio.CancelledError:  # the server is stopping
            await exchange.settle("canceled", exchange.status_sent or CANCELED_STATUS, "gateway_stopped")
            raise
        except DATABASE_ERRORS:
            raise
        except Exception:
            if not exchange.settling:
                await exchange.settle("failed", 500, "internal_error")
            raise

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        settings = self._gateway.settings
        try:
            async with asyncio.timeout(settings.body_seconds):
                return await read_body(headers, receive, settings.max_body_bytes)
        except TimeoutError:
            raise refusals.body_too_slow() from None

    async def _answer(self, exchange: Exchange, body: bytes, send: Send) -> None:
        order = self.endpoint.parse(body)
        exchange.order = order
        exchange.conversation = naming.conversation_name(order.body, exchange.conversation_headers)
        exchange.route = self._catalog.route(order, exchange.admitted.environment)
        check_requirements(exchange.required, exchange.route)
        await exchange.remember()
        await exchange.reserve()
        order = exchange.sent or order
        if order.streams is not None:
            await self._stream(exchange, order, order.streams, send)
        else:
            await self._complete(exchange, order, send)

    async def _complete(self, exchange: Exchange, order: Order, send: Send) -> None:
        answer, settled = await complete(exchange, order)
        stored = "true" if settled.stored else "false"
        headers = [(b"content-type", b"application/json"), *_policy_headers(settled.epoch, stored)]
        await send_all(send, 200, headers, json.dumps(answer).encode())

    async def _stream(self, exchange: Exchange, order: Order, endpoint: StreamingEndpoint, send: Send) -> None:
        assert exchange.route is not None
        relay = exchange.relay = endpoint.relay(exchange, order)
        exchange.sent_to_provider = True
        with exchange.steps.attempt(exchange.route.provider) as attempt:
            try:
                async with exchange.route.stream(order, attempt) as batches:
                    stored = "pending" if exchange.may_store else "false"
                    headers = [*_EVENT_STREAM, *_policy_headers(exchange.admitted.policy.epoch, stored)]
                    exchange.status_sent = 200
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    async for events in batches:
                        await _pass_on(relay, events, send)
            finally:
                exchange.response = relay.heard()
                exchange.steps.called(relay.calls())
            closing = relay.closing()
        await exchange.settle("completed", 200)
        await send({"type": "http.response.body", "body": closing})


async def complete(exchange: Exchange, order: Order) -> tuple[dict[str, object], Settled]:
    """Get the whole answer of a request and settle it. *Test it now* takes this same way."""
    assert exchange.route is not None
    exchange.sent_to_provider = True
    with exchange.steps.attempt(exchange.route.provider) as attempt:
        answer = await exchange.route.complete(order, attempt)
    exchange.first_byte()
    exchange.response = order.endpoint.messages(answer)
    exchange.steps.called(order.endpoint.calls(answer))
    exchange.take_usage(answer.get("usage"))
    answer["usage"] = exchange.priced_usage()
    return answer, await exchange.settle("completed", 200)


async def _fail(exchange: Exchange, refusal: Refusal, send: Send) -> None:
    settled = await exchange.settle("failed", refusal.status, refusal.code)
    if exchange.relay is None or exchange.status_sent is None:
        await send_refusal(send, refusal, _policy_headers(settled.epoch, "false"))
    else:
        await send({"type": "http.response.body", "body": exchange.relay.failure(refusal)})


async def _pass_on(relay: Relay, events: list[bytes], send: Send) -> None:
    """Send what came together together, also what came before an error."""
    passed = bytearray()
    try:
        for event in events:
            passed += relay.pass_on(event) or b""
    finally:
        if passed:
            await send({"type": "http.response.body", "body": bytes(passed), "more_body": True})


async def _while_there(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Work until done, or until the client leaves, whichever is first; then the work is canceled.

    Raises:
        ClientGone: it left.
    """
    task = asyncio.current_task()
    assert task is not None
    left = False

    def cancel(_watch: asyncio.Task[None]) -> None:
        nonlocal left
        left = True
        task.cancel()

    watch = asyncio.ensure_future(_wait_until_gone(receive))
    watch.add_done_callback(cancel)
    try:
        await work
    except asyncio.CancelledError:
        if not left or task.uncancel():
            raise
        raise ClientGone from None
    finally:
        watch.remove_done_callback(cancel)
        watch.cancel()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def read_body(headers: Headers, receive: Receive, limit_bytes: int) -> bytes:
    """The whole body.

    Raises:
        Refusal: 413, it is over the limit.
        ClientGone: the client left before its end.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise refusals.too_large(limit_bytes)
    body = bytearray()
    async for chunk in _chunks(receive):
        body += chunk
        if len(body) > limit_bytes:
            raise refusals.too_large(limit_bytes)
    return bytes(body)


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _policy_headers(epoch: int, stored: str) -> refusals.Headers:
    return [(b"x-anuma-policy-epoch", str(epoch).encode()), (b"x-anuma-content-stored", stored.encode())]
