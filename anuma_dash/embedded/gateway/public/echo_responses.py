"""The built-in model's responses."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..settings import ECHO_MODEL
from .echo_words import answer_to, count, created_at, pieces_of
from .endpoints import Order
from .events import named_event

_SAID_AGAIN = (
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "reasoning"),
    *("temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user"),
)


def complete(order: Order, request_id: UUID) -> dict[str, Any]:
    """The whole answer."""
    answer = answer_to(order)
    usage = order.endpoint.usage(count(order, answer))
    item = _item(request_id, "completed", [_part(answer)])
    return _frame(order, request_id) | {"status": "completed", "output": [item], "usage": usage}


def events(order: Order, request_id: UUID) -> list[bytes]:
    """Every event that OpenAI's own stream of one message has."""
    answer, begun = answer_to(order), _frame(order, request_id)
    place = {"item_id": _item_id(request_id), "output_index": 0, "content_index": 0}
    item, whole = _item(request_id, "in_progress", []), complete(order, request_id)
    told: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": _part("")},
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in pieces_of(answer)
        ),
        {"type": "response.output_text.done", **place, "text": answer, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _part(answer)},
        {"type": "response.output_item.done", "output_index": 0, "item": whole["output"][0]},
        {"type": "response.completed", "response": whole},
    ]
    return [named_event(event | {"sequence_number": number}) for number, event in enumerate(told)]


def _frame(order: Order, request_id: UUID) -> dict[str, Any]:
    frame: dict[str, Any] = {
        "id": f"resp_{request_id.hex}",
        "object": "response",
        "created_at": created_at(request_id),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": ECHO_MODEL,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }
    return frame | {name: order.body[name] for name in _SAID_AGAIN if order.body.get(name) is not None}


def _item(request_id: UUID, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": _item_id(request_id),
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": content,
    }


def _item_id(request_id: UUID) -> str:
    return f"msg_{request_id.hex}"


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
