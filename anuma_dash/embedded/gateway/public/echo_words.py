"""What the built-in model says, whichever way it is asked."""

from __future__ import annotations

from uuid import UUID

from .endpoints import Count, Order
from .words import estimate_tokens

_PIECE = 24
_MOST_PIECES = 1000
"""Of one stream: each is an event, and all of them are made while everybody else waits."""


def answer_to(order: Order) -> str:
    """The last message again."""
    return f"Echo: {order.prompt[-1].text}"


def pieces_of(answer: str) -> list[str]:
    """The answer as a stream brings it."""
    size = max(_PIECE, -(-len(answer) // _MOST_PIECES))
    return [answer[start : start + size] for start in range(0, len(answer), size)]


def count(order: Order, answer: str) -> Count:
    """The built-in model counts as the gateway estimates."""
    return Count(order.endpoint.estimate_prompt(order), estimate_tokens([answer]))


def created_at(request_id: UUID) -> int:
    """The identifier's own time, in seconds."""
    return (request_id.int >> 80) // 1000
