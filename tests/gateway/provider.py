"""A provider that speaks real HTTP and behaves as the requested model's name says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

from starlette.types import Receive, Scope, Send

from tests.gateway.provider_shapes import USAGE, chunk, delta, response, whole

PRICES = {"input_micro_usd_per_million": 2_000_000, "output_micro_usd_per_million": 10_000_000}
BEHAVIORS = (
    *("plain", "no-usage", "silent", "stalls", "gated", "fails", "refuses", "limited", "garbage"),
    *("breaks-off", "error-event", "usage-on-last", "crlf", "tool-call", "trickles"),
)
SECRET_WORDS = "provider-secret-words"


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
            "region": "EU",
            "endpoints": ["chat/completions", "responses", "embeddings"],
            "timeout_seconds": 20,
        }
        chat_only = main | {
            "name": "chat-only",
            "models": [{"id": "chat-only/plain", "upstream_id": "plain", **PRICES}],
            "endpoints": ["chat/completions"],
        }
        slow = main | {
            "name": "slow",
            "models": [{"id": f"slow/{name}", "upstream_id": name, **PRICES} for name in ("stalls", "trickles")],
            "timeout_seconds": 0.5,
            "first_byte_timeout_seconds": 20,
            "total_timeout_seconds": 2.5,
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
        keeps_nothing = main | {
            "name": "keeps-nothing",
            "models": [{"id": "keeps-nothing/plain", "upstream_id": "plain", **PRICES}],
            "retention": "none: a contract says so",
        }
        del keeps_nothing["training"]
        return json.dumps([main, chat_only, slow, hasty, down, keeps_nothing])

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
        endpoint = scope["path"].removeprefix("/v1/")
        self.bodies.append(body)
        tag = body.get("user", "")
        if tag in self.arrived:
            self.arrived[tag].set()
        work = asyncio.ensure_future(self._behave(endpoint, body, tag, send))
        gone = asyncio.ensure_future(receive())
        await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and tag in self.canceled:
            self.canceled[tag].set()
        for task in (work, gone):
            task.cancel()
        await asyncio.gather(work, gone, return_exceptions=True)

    async def _behave(self, endpoint: str, body: dict[str, Any], tag: str, send: Send) -> None:
        behavior = body["model"]
        if behavior == "silent":
            await asyncio.Event().wait()
        statuses = {"fails": 500, "refuses": 400, "limited": 429}
        if behavior in statuses:
            error = json.dumps({"error": {"message": f"{SECRET_WORDS}: {body}"}})
            await _answer(send, statuses[behavior], error.encode(), [(b"retry-after", b"17")])
        elif behavior == "garbage":
            await _answer(send, 200, b"<html>" + SECRET_WORDS.encode(), [])
        elif body.get("stream"):
            await self._stream(endpoint, behavior, body, tag, send)
        else:
            await _answer(send, 200, json.dumps(whole(endpoint, behavior)).encode(), [])

    async def _stream(self, endpoint: str, behavior: str, body: dict[str, Any], tag: str, send: Send) -> None:
        end = b"\r\n\r\n" if behavior == "crlf" else b"\n\n"

        async def say(told: Any, more: bool = True) -> None:
            data = told if isinstance(told, bytes) else json.dumps(told).encode()
            name = b"event: %s\n" % told["type"].encode() if isinstance(told, dict) and "type" in told else b""
            message = {"type": "http.response.body", "body": name + b"data: " + data + end, "more_body": more}
            await send(message)

        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        speak = self._respond if endpoint == "responses" else self._chat
        for told in speak(behavior, body):
            if told == "pause":
                await self._pause(behavior, tag)
            elif told == "break off":
                raise ConnectionError
            else:
                await say(told)
        await send({"type": "http.response.body", "body": b""})

    def _chat(self, behavior: str, body: dict[str, Any]) -> Iterator[Any]:
        yield chunk({"role": "assistant", "content": "The answer"})
        yield "pause"
        if behavior == "error-event":
            yield {"error": {"message": SECRET_WORDS}}
            return
        if behavior == "breaks-off":
            yield "break off"
        if behavior == "tool-call":
            call = {"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
            yield chunk({"tool_calls": [call]})
        for _ in range(40 if behavior == "trickles" else 0):
            yield chunk({"content": "."})
            yield "pause"
        yield chunk({"content": " is forty-two."})
        last = chunk({}, finish="stop")
        yield last | {"usage": USAGE} if behavior == "usage-on-last" else last
        silent = ("no-usage", "usage-on-last", "tool-call")
        if behavior not in silent and body["stream_options"]["include_usage"]:
            yield {**chunk({}), "choices": [], "usage": USAGE}
        yield b"[DONE]"

    def _respond(self, behavior: str, body: dict[str, Any]) -> Iterator[Any]:
        yield {"type": "response.created", "response": response(behavior, "in_progress"), "sequence_number": 0}
        yield delta("The answer", 1)
        yield "pause"
        if behavior == "error-event":
            yield {"type": "error", "code": "x", "message": SECRET_WORDS, "param": None, "sequence_number": 2}
            return
        if behavior == "breaks-off":
            yield "break off"
        yield delta(" is forty-two.", 2)
        done = response(behavior, "completed", "The answer", " is forty-two.")
        done = done | {"usage": None} if behavior == "no-usage" else done
        yield {"type": "response.completed", "response": done, "sequence_number": 3}

    async def _pause(self, behavior: str, tag: str) -> None:
        if behavior == "stalls":
            await asyncio.Event().wait()
        if behavior == "trickles":
            await asyncio.sleep(0.1)
        while behavior == "gated" and not self.gates[tag].is_set():
            await asyncio.sleep(0.005)


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
