"""The built-in model's chat completions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..settings import ECHO_MODEL
from .echo_words import answer_to, count, created_at, pieces_of
from .endpoints import Order
from .events import unnamed_event
from .relay import DONE


def complete(order: Order, request_id: UUID) -> dict[str, Any]:
    """The whole answer."""
    message = {"role": "assistant", "content": answer_to(order), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return _frame(request_id, "chat.completion") | {"choices": [choice], "usage": _usage(order)}


def events(order: Order, request_id: UUID) -> list[bytes]:
    """The answer in pieces, the usage, [DONE]."""
    frame = _frame(request_id, "chat.completion.chunk")
    pieces = [{"content": piece} for piece in pieces_of(answer_to(order))]
    steps = [({"role": "assistant", "content": ""}, None), *((piece, None) for piece in pieces), ({}, "stop")]
    said = [
        unnamed_event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
        for delta, reason in steps
    ]
    return [*said, unnamed_event(frame | {"choices": [], "usage": _usage(order)}), DONE]


def _usage(order: Order) -> dict[str, Any]:
    return order.endpoint.usage(count(order, answer_to(order)))


def _frame(request_id: UUID, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{request_id.hex}",
        "object": kind,
        "created": created_at(request_id),
        "model": ECHO_MODEL,
    }
