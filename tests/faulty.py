"""A gateway that answers over real HTTP, and wrongly: one path for each fault."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

FAULTS = ("silent", "dripping", "failing", "html", "truncated", "wrong-types", "huge", "refusing")
"""`silent` and `dripping` last until the client leaves; `refusing` says no with problem details."""

_PROBLEM = {"title": "Broken", "status": 500, "code": "broken", "detail": "Traceback (most recent call last): secret"}
_REFUSAL = {"title": "Refused", "status": 403, "code": "account_suspended", "detail": "This account is suspended."}
_ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "failing": (500, "application/problem+json", json.dumps(_PROBLEM).encode()),
    "html": (200, "text/html", b"<!doctype html><title>Welcome</title><h1>Captive portal</h1>"),
    "truncated": (200, "application/json", b'{"data": [{"id": "0190a0'),
    "wrong-types": (200, "application/json", b'{"data": "yes", "next": 5, "epoch": "many", "id": []}'),
    "refusing": (403, "application/problem+json", json.dumps(_REFUSAL).encode()),
}


async def faulty(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application: the first part of the path says what is wrong with it."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    fault = scope["path"].split("/")[1]
    while (await receive()).get("more_body"):
        pass
    if fault == "silent":
        while (await receive())["type"] != "http.disconnect":
            pass
    elif fault in ("dripping", "huge"):
        await _stream(receive, send, *((b" ", 0.02) if fault == "dripping" else (b" " * 1_000_000, 0.0)))
    else:
        status, kind, body = _ANSWERS[fault]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", kind.encode())]})
        await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _stream(receive: Receive, send: Send, chunk: bytes, pause_seconds: float) -> None:
    left = asyncio.ensure_future(receive())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    for _ in range(100 if not pause_seconds else 10_000):
        if left.done():
            return
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(pause_seconds)
    left.cancel()
    await send({"type": "http.response.body", "body": b""})
