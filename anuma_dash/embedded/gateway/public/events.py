"""Server-sent events: reading a provider's, and making one's own."""

from __future__ import annotations

import json
from typing import Any

from . import refusals


def data_of(event: bytes) -> bytes:
    """The data of one event; empty for a comment."""
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def parse_data(data: bytes) -> dict[str, Any]:
    """An event's data, which must be a JSON object.

    Raises:
        Refusal: 502, it is none.
    """
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise refusals.provider_failed() from None
    if not isinstance(chunk, dict):
        raise refusals.provider_failed()
    return chunk


def unnamed_event(data: dict[str, Any]) -> bytes:
    """An event as chat completions have them."""
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def named_event(data: dict[str, Any]) -> bytes:
    """An event as responses have them: named by its own type."""
    return b"event: " + str(data["type"]).encode() + b"\n" + unnamed_event(data)
