"""A provider that speaks real HTTP and behaves as the requested model's name says."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from starlette.types import Receive, Scope, Send

PRICES = {"input_micro_usd_per_million": 2_000_000, "output_micro_usd_per_million": 10_000_000}
BEHAVIORS = (
    *("plain", "no-usage", "silent", "stalls", "gated", "fails", "refuses", "limited", "garbage"),
    *("breaks-off", "error-event", "usage-on-last", "crlf"),
)
SECRET_WORDS = "provider-secret-words"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


class FakeProvider:
    """An OpenAI-compatible ASGI application."""

    def __init__(self) -> None:
        self.base_url = ""
        self.bodies: list[dict[str, Any]] = []
        self.canceled: dict[str, threading.Event] = {}
        self.arrived: dict[str, threading.Event] = {}
        self.gates: dict[str, threading.Event] = {}

    def configuration(self) -> str:
        models = [{"id": f"fake/{name}", "upstream_id": name, **PRICES} for name in BEHAVIORS]
        main = {
            "name": "fake",
            "base_url": f"{self.base_url}/v1",
            "api_key": "upstream-secret",
            "models": models,
            "retention": "30 days",
            "training": "no",
            "timeout_seconds": 20,
        }
        hasty = main | {
            "name": "hasty",
            "models": [{"id": "hasty/silent", "upstream_id": "silent", **PRICES}],
            "timeout_seconds": 0.2,
        }
        down = main | {
            "name": "down",
            "base_url": "http://127.0.0.1:9/v1",
            "models": [{"id": "down/plain", **PRICES}],
        }
        return json.dumps([main, hasty, down])

    def expect(self, tag: str) -> None:
        """Prepare the events of the request that carries this tag as its `user`."""
        self.canceled[tag] = threading.Event()
        self.arrived[tag] = threading.Event()
        self.gates[tag] = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = await _read_json(receive)
        self.bodies.append(body)
        tag = body.get("user", "")
        if tag in self.arrived:
            self.arrived[tag].set()
        work = asyncio.ensure_future(self._behave(body, tag, send))
        gone = asyncio.ensure_future(receive())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and tag in self.canceled:
            self.canceled[tag].set()
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)

    async def _behave(self, body: dict[str, Any], tag: str, send: Send) -> None:
        behavior = body["model"]
        if behavior == "silent":
            await asyncio.Event().wait()
        statuses = {"fails": 500, "refuses": 400, "limited": 429}
        if behavior in statuses:
            error = json.dumps({"error": {"message": f"{SECRET_WORDS}: {body['messages']}"}})
            await _answer(send, statuses[behavior], error.encode(), [(b"retry-after", b"17")])
        elif behavior == "garbage":
            await _answer(send, 200, b"<html>" + SECRET_WORDS.encode(), [])
        elif body.get("stream"):
            await self._stream(behavior, body, tag, send)
        else:
            await _answer(send, 200, json.dumps(_whole(behavior)).encode(), [])

    async def _stream(self, behavior: str, body: dict[str, Any], tag: str, send: Send) -> None:
        end = b"\r\n\r\n" if behavior == "crlf" else b"\n\n"

        async def say(chunk: Any, more: bool = True) -> None:
            data = chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()
            await send({"type": "http.response.body", "body": b"data: " + data + end, "more_body": more})

        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await say(_chunk({"role": "assistant", "content": "The answer"}))
        if behavior == "stalls":
            await asyncio.Event().wait()
        if behavior == "gated":
            while not self.gates[tag].is_set():
                await asyncio.sleep(0.005)
        if behavior == "error-event":
            await say({"error": {"message": SECRET_WORDS}}, more=False)
            return
        if behavior == "breaks-off":
            raise ConnectionError
        await say(_chunk({"content": " is forty-two."}))
        last = _chunk({}, finish="stop")
        if behavior == "usage-on-last":
            last["usage"] = USAGE
        await say(last)
        if behavior not in ("no-usage", "usage-on-last") and body["stream_options"]["include_usage"]:
            await say({**_chunk({}), "choices": [], "usage": USAGE})
        await say(b"[DONE]", more=False)


def _whole(behavior: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": "The answer is forty-two."}
    answer: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": behavior,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return answer if behavior == "no-usage" else answer | {"usage": USAGE}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


async def _read_json(receive: Receive) -> dict[str, Any]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return json.loads(body)


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
