"""`POST /v1/chat/completions`: the hot path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from ..core import Gateway
from ..metering import Settled
from ..stores import DATABASE_ERRORS
from . import refusals
from .admission import admit, presented_key
from .answers import send_all, send_refusal
from .catalog import Catalog
from .chat import Order, parse_order, response_messages
from .exchange import CANCELED_STATUS, Exchange
from .refusals import Refusal
from .relay import Relay, error_event

ENDPOINT = "chat/completions"
_EVENT_STREAM = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class ClientGone(Exception):
    """The client closed its connection."""


class ChatCompletions:
    """The endpoint, an ASGI application."""

    def __init__(self, gateway: Gateway, catalog: Catalog) -> None:
        self._gateway = gateway
        self._catalog = catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway, headers = self._gateway, Headers(scope=scope)
        arrived_at = gateway.now()
        try:
            presented = presented_key(headers)
            admitted = await gateway.in_thread(lambda: admit(gateway.stores.main, presented, arrived_at))
        except Refusal as refusal:
            await send_refusal(send, refusal)
            return
        exchange = Exchange(
            gateway,
            admitted,
            scope["state"]["request_id"],
            arrived_at,
            ENDPOINT,
            store_header=headers.get("x-anuma-store"),
        )
        await self._until_gone(exchange, headers, receive, send)

    async def _until_gone(self, exchange: Exchange, headers: Headers, receive: Receive, send: Send) -> None:
        try:
            if exchange.admitted.refusal is not None:
                raise exchange.admitted.refusal
            body = await _read_body(headers, receive, self._gateway.settings.max_body_bytes)
            work = asyncio.ensure_future(self._answer(exchange, body, send))
            await _race(work, receive)
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

    async def _answer(self, exchange: Exchange, body: bytes, send: Send) -> None:
        order = parse_order(body)
        exchange.order = order
        exchange.route = self._catalog.route(order.model, exchange.admitted.environment)
        if order.stream:
            await self._stream(exchange, order, send)
        else:
            await self._complete(exchange, order, send)

    async def _complete(self, exchange: Exchange, order: Order, send: Send) -> None:
        answer, settled = await complete(exchange, order)
        stored = "true" if settled.decision.stored else "false"
        headers = [(b"content-type", b"application/json"), *_policy_headers(settled.epoch, stored)]
        await send_all(send, 200, headers, json.dumps(answer).encode())

    async def _stream(self, exchange: Exchange, order: Order, send: Send) -> None:
        assert exchange.route is not None
        relay = Relay(exchange, order.wants_usage)
        exchange.sent_to_provider = True
        try:
            async with exchange.route.stream(order, exchange.id) as events:
                stored = "pending" if exchange.may_store else "false"
                headers = [*_EVENT_STREAM, *_policy_headers(exchange.admitted.policy.epoch, stored)]
                exchange.status_sent = 200
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                async for event in events:
                    if (passed := relay.pass_on(event)) is not None:
                        await send({"type": "http.response.body", "body": passed, "more_body": True})
        finally:
            exchange.response = relay.heard()
        closing = relay.closing()
        await exchange.settle("completed", 200)
        await send({"type": "http.response.body", "body": closing})


async def complete(exchange: Exchange, order: Order) -> tuple[dict[str, object], Settled]:
    """Get the whole answer of a request and settle it. *Test it now* takes this same way."""
    assert exchange.route is not None
    exchange.sent_to_provider = True
    answer = await exchange.route.complete(order, exchange.id)
    exchange.first_byte()
    exchange.response = list(response_messages(answer))
    exchange.take_usage(answer.get("usage"))
    reported = answer.get("usage")
    answer["usage"] = exchange.priced_usage(reported if isinstance(reported, dict) else None)
    return answer, await exchange.settle("completed", 200)


async def _fail(exchange: Exchange, refusal: Refusal, send: Send) -> None:
    settled = await exchange.settle("failed", refusal.status, refusal.code)
    if exchange.status_sent is None:
        await send_refusal(send, refusal, _policy_headers(settled.epoch, "false"))
    else:
        await send({"type": "http.response.body", "body": error_event(refusal)})


async def _race(work: asyncio.Future[None], receive: Receive) -> None:
    """Work until done, or until the client leaves, whichever is first; then the work is canceled."""
    gone = asyncio.ensure_future(_wait_until_gone(receive))
    try:
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return await work
        raise ClientGone
    finally:
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read_body(headers: Headers, receive: Receive, limit_bytes: int) -> bytes:
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
