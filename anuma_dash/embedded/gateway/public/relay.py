"""Passing the stream of a chat completion through, event by event, seeing usage and words go by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anuma_dash.gateway.schemas import Message, ToolCall

from . import refusals
from .events import data_of, parse_data, unnamed_event
from .exchange import Exchange
from .refusals import Refusal
from .tool_calls import StreamedCalls
from .words import whole_text

DONE = b"data: [DONE]\n\n"


class ChatRelay:
    """The state of one stream."""

    def __init__(self, exchange: Exchange, wants_usage: bool) -> None:
        self._exchange = exchange
        self._wants_usage = wants_usage
        self._words: dict[int, list[str]] = {}
        self._calls = StreamedCalls()
        self._frame: dict[str, Any] = {}
        self._finished = False

    def pass_on(self, event: bytes) -> bytes | None:
        """A chunk as it came, but for usage that was not asked for."""
        data = data_of(event)
        if not data:
            return event  # a comment: keeps the connection alive
        if data == b"[DONE]":
            self._finished = True
            return None
        chunk = parse_data(data)
        if chunk.get("error"):
            self._exchange.steps.hear(data)
            raise refusals.provider_failed()
        self._exchange.first_byte()
        choices = chunk.get("choices")
        self._hear(choices if isinstance(choices, list) else [])
        self._frame = {name: chunk[name] for name in ("id", "object", "created", "model") if name in chunk}
        if not isinstance(chunk.get("usage"), dict):
            return event
        self._exchange.take_usage(chunk["usage"])
        if not choices:
            return None
        return unnamed_event({name: value for name, value in chunk.items() if name != "usage"})

    def closing(self) -> bytes:
        """The usage if the client asked for it, and [DONE]."""
        if not self._finished:
            raise refusals.provider_failed()
        if not self._wants_usage:
            return DONE
        return unnamed_event(self._frame | {"choices": [], "usage": self._exchange.priced_usage()}) + DONE

    def failure(self, refusal: Refusal) -> bytes:
        """An error object in place of a chunk; no [DONE] follows."""
        return unnamed_event(refusal.body())

    def heard(self) -> list[Message]:
        """The response so far."""
        texts = (whole_text("".join(words)) for _, words in sorted(self._words.items()))
        return [Message(role="assistant", text=text) for text in texts]

    def calls(self) -> list[ToolCall]:
        """As far as they have come."""
        return self._calls.all()

    def _hear(self, choices: list[Any]) -> None:
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            if choice.get("finish_reason"):
                self._finished = True
            given = choice.get("index")
            index = given if isinstance(given, int) else 0
            self._calls.hear(index, choice.get("delta"))
            for words in _words(choice.get("delta")):
                self._words.setdefault(index, []).append(words)


def _words(delta: object) -> Iterator[str]:
    if not isinstance(delta, dict):
        return
    yield from (delta[name] for name in ("reasoning_content", "content", "refusal") if isinstance(delta.get(name), str))
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield from (function[n] for n in ("name", "arguments") if isinstance(function.get(n), str))
