"""The built-in model's embeddings: each word points in a direction of its own, so texts that share words are near."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any, Final
from uuid import UUID

from ..settings import ECHO_MODEL
from .embeddings import MAX_INPUTS, inputs_of
from .endpoints import Count, Order, invalid

_DIMENSIONS: Final = 256
_MAX_DIMENSIONS: Final = 4096
_MAX_NUMBERS: Final = MAX_INPUTS * _DIMENSIONS
"""In one answer. They are worked out while everybody else waits, and cost who asks nothing."""


def complete(order: Order, request_id: UUID) -> dict[str, Any]:
    """The vectors, each of length one.

    Raises:
        Refusal: 422, too many dimensions, or too many for so many texts.
    """
    dimensions: int = order.body.get("dimensions") or _DIMENSIONS
    if dimensions > _MAX_DIMENSIONS:
        raise invalid(f"The built-in model has at most {_MAX_DIMENSIONS} dimensions.", "dimensions")
    inputs = inputs_of(order.body)
    if len(inputs) * dimensions > _MAX_NUMBERS:
        raise invalid(
            f"The built-in model answers with {_MAX_NUMBERS} numbers at most: send fewer texts.", "dimensions"
        )
    as_bytes = order.body.get("encoding_format") == "base64"
    vectors = (_vector(one, dimensions) for one in inputs)
    data = [
        {"object": "embedding", "index": index, "embedding": _base64(vector) if as_bytes else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = order.endpoint.usage(Count(order.endpoint.estimate_prompt(order), 0))
    return {"object": "list", "data": data, "model": ECHO_MODEL, "usage": usage}


def _vector(text: str | list[int], dimensions: int) -> list[float]:
    words = text.lower().split() or [text] if isinstance(text, str) else [str(token) for token in text]
    vector = [0.0] * dimensions
    for word in words:
        digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()
        vector[int.from_bytes(digest[:4]) % dimensions] += 1.0 if digest[4] & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if length == 0.0:  # words that cancel each other
        vector[0], length = 1.0, 1.0
    return [value / length for value in vector]


def _base64(vector: list[float]) -> str:
    """32-bit floats, little-endian, as OpenAI's clients read them."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
