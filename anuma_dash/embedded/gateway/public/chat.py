"""Chat completions: the body as OpenAI's clients send it, and the words in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from anuma_dash.gateway.schemas import Message

from . import refusals

_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Order:
    """A parsed chat completion."""

    body: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    prompt: tuple[Message, ...]


def parse_order(data: bytes) -> Order:
    """Parse a body, checking what the gateway itself needs; the rest is the provider's to judge.

    Raises:
        Refusal: 422, naming the field.
    """
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise refusals.bad_body("invalid_json", "The request body is not JSON.") from None
    if not isinstance(body, dict):
        raise refusals.bad_body("invalid_body", "The request body is not a JSON object.")
    model, messages = body.get("model"), body.get("messages")
    if not isinstance(model, str) or not model:
        raise refusals.bad_body("invalid_body", "'model' must be a non-empty string.", "model")
    if not isinstance(messages, list) or not messages or not all(_is_message(m) for m in messages):
        raise refusals.bad_body(
            "invalid_body", "'messages' must be a non-empty list of objects with a 'role'.", "messages"
        )
    stream, options = body.get("stream"), body.get("stream_options")
    if stream is not None and not isinstance(stream, bool):
        raise refusals.bad_body("invalid_body", "'stream' must be true or false.", "stream")
    if options is not None and not isinstance(options, dict):
        raise refusals.bad_body("invalid_body", "'stream_options' must be an object.", "stream_options")
    wants_usage = bool(options and options.get("include_usage"))
    prompt = tuple(message_of(m) for m in messages)
    return Order(body, model, bool(stream), wants_usage, prompt)


def message_of(message: dict[str, Any]) -> Message:
    """A message as plain text: the texts of its parts, the names of parts that are no text, and its tool calls."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    texts = [text for part in parts if (text := _part_text(part))]
    texts += [json.dumps(message[name]) for name in ("tool_calls", "function_call") if message.get(name)]
    role = str(message.get("role", "assistant"))[:64]
    return Message(role=whole_text(role), text=whole_text("\n".join(texts)))


def whole_text(text: str) -> str:
    """JSON can spell halves of surrogate pairs: halves that meet are joined, the others replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def response_messages(answer: dict[str, Any]) -> tuple[Message, ...]:
    """The messages of a complete answer."""
    choices = answer.get("choices")
    found = (c.get("message") for c in choices if isinstance(c, dict)) if isinstance(choices, list) else ()
    return tuple(message_of(m) for m in found if isinstance(m, dict))


def estimate_tokens(texts: Iterable[str]) -> int:
    """A deterministic estimate: four bytes of UTF-8 to a token, rounded up."""
    total = sum(len(text.encode()) for text in texts)
    return -(-total // _BYTES_PER_TOKEN)


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        text = part.get("text")
        return text if isinstance(text, str) else f"[{str(part.get('type', 'part'))[:64]}]"
    return ""
