"""Embeddings: the body as OpenAI's clients send it, and the words in it.

Of the answer nothing is content here: vectors are not kept, whatever the controls say.
"""

from __future__ import annotations

import json
from typing import Any, Final

from anuma_dash.gateway.schemas import Message, ToolCall

from ..settings import EndpointName
from . import refusals
from .endpoints import Count, Order, flag, invalid, kept_nowhere, parse_object
from .words import estimate_tokens, whole_text

MAX_INPUTS: Final = 2048
_FORMATS: Final = ("float", "base64")


class Embeddings:
    """`POST /v1/embeddings`."""

    name: EndpointName = "embeddings"

    def parse(self, data: bytes) -> Order:
        """Needs a model and texts, or texts as tokens."""
        body = parse_object(data)
        prompt = tuple(Message(role="user", text=_text(one)) for one in inputs_of(body))
        dimensions = body.get("dimensions")
        if isinstance(dimensions, float) and dimensions.is_integer():  # 256.0 is a whole number in JSON
            dimensions = body["dimensions"] = int(dimensions)
        if dimensions is not None and not (_is_whole(dimensions) and dimensions > 0):
            raise invalid("'dimensions' must be a positive whole number.", "dimensions")
        if body.get("encoding_format") not in (None, *_FORMATS):
            raise invalid("'encoding_format' must be 'float' or 'base64'.", "encoding_format")
        if flag(body, "stream"):
            raise refusals.not_supported("stream", "Embeddings are not streamed.")
        return Order(self, body, body["model"], streams=None, wants_usage=True, prompt=prompt)

    def upstream_body(self, order: Order) -> dict[str, Any]:
        """As it came."""
        return kept_nowhere(order.body)

    def is_answer(self, answer: dict[str, Any]) -> bool:
        """It has data."""
        return isinstance(answer.get("data"), list)

    def messages(self, answer: dict[str, Any]) -> list[Message]:
        """None: vectors are no words."""
        return []

    def calls(self, answer: dict[str, Any]) -> list[ToolCall]:
        """None: nobody is asked for anything."""
        return []

    def count(self, reported: dict[str, Any]) -> tuple[object, object]:
        """Only the prompt has tokens."""
        return reported.get("prompt_tokens"), 0

    def usage(self, count: Count) -> dict[str, Any]:
        """The fields' names here."""
        return {"prompt_tokens": count.prompt, "total_tokens": count.prompt}

    def estimate_prompt(self, order: Order) -> int:
        """By the words; texts that came as tokens are counted."""
        return sum(len(one) if isinstance(one, list) else estimate_tokens([one]) for one in inputs_of(order.body))

    def most_completion(self, order: Order, unsaid: int) -> int:
        """Vectors are no tokens."""
        return 0


EMBEDDINGS: Final = Embeddings()


def inputs_of(body: dict[str, Any]) -> list[str | list[int]]:
    """The texts to be embedded, each as words or as tokens.

    Raises:
        Refusal: 422, they are something else.
    """
    given = body.get("input")
    inputs = [given] if isinstance(given, str) or _is_tokens(given) else given
    if not isinstance(inputs, list) or not 0 < len(inputs) <= MAX_INPUTS:
        raise invalid(f"'input' must be a string, tokens, or a list of 1 to {MAX_INPUTS} of either.", "input")
    if not all((isinstance(one, str) and one) or _is_tokens(one) for one in inputs):
        raise invalid("Each 'input' must be a non-empty string or a non-empty list of tokens.", "input")
    return inputs


def _text(one: str | list[int]) -> str:
    return whole_text(one) if isinstance(one, str) else json.dumps(one)


def _is_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_whole(one) and one >= 0 for one in value)


def _is_whole(value: object) -> bool:
    # 256.0 is a whole number to JSON Schema, and some languages write it so.
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value.is_integer())
