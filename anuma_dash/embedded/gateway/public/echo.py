"""`anuma/echo`: the built-in model. Deterministic, offline, free: it says the last message again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from ..metering import Price
from ..settings import BUILT_IN_PROVIDER, ECHO_MODEL
from .chat import Order, estimate_tokens

_PIECE = 24


class Echo:
    """The built-in route."""

    model = ECHO_MODEL
    provider = BUILT_IN_PROVIDER
    retention = "none: built into this gateway"
    training = "none: built into this gateway"
    price = Price(source="free")

    async def complete(self, order: Order, request_id: UUID) -> dict[str, Any]:
        """The whole answer."""
        message = {"role": "assistant", "content": _answer(order), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return _frame(request_id, "chat.completion") | {"choices": [choice], "usage": _usage(order)}

    @asynccontextmanager
    async def stream(self, order: Order, request_id: UUID) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer in pieces, then the usage."""
        yield _events(order, request_id)


async def _events(order: Order, request_id: UUID) -> AsyncIterator[bytes]:
    answer = _answer(order)
    frame = _frame(request_id, "chat.completion.chunk")
    pieces = [answer[start : start + _PIECE] for start in range(0, len(answer), _PIECE)]
    deltas = [{"role": "assistant", "content": ""}, *({"content": piece} for piece in pieces)]
    for delta in deltas:
        yield _event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield _event(frame | {"choices": [], "usage": _usage(order)})
    yield b"data: [DONE]\n\n"


def _answer(order: Order) -> str:
    return f"Echo: {order.prompt[-1].text}"


def _usage(order: Order) -> dict[str, int]:
    prompt = estimate_tokens(message.text for message in order.prompt)
    completion = estimate_tokens([_answer(order)])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _frame(request_id: UUID, kind: str) -> dict[str, Any]:
    created = request_id.int >> 80  # the identifier's own milliseconds
    return {
        "id": f"chatcmpl-{request_id.hex}",
        "object": kind,
        "created": created // 1000,
        "model": ECHO_MODEL,
    }


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
