"""Passing a provider's stream through, event by event, seeing usage and words go by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anuma_dash.gateway.schemas import Message

from . import refusals
from .chat import whole_text
from .exchange import Exchange

DONE = b"data: [DONE]\n\n"


class Relay:
    """The state of one stream."""

    def __init__(self, exchange: Exchange, wants_usage: bool) -> None:
        self._exchange = exchange
        self._wants_usage = wants_usage
        self._words: dict[int, list[str]] = {}
        self._frame: dict[str, Any] = {}
        self._reported: dict[str, Any] | None = None
        self._finished = False

    def pass_on(self, event: bytes) -> bytes | None:
        """What the client gets for a provider's event, `None` for nothing.

        Raises:
            Refusal: the provider reported an error, or sent garbage.
        """
        data = _data(event)
        if not data:
            return event  # a comment: keeps the connection alive
        if data == b"[DONE]":
            self._finished = True
            return None
        chunk = _parse(data)
        self._exchange.first_byte()
        choices = chunk.get("choices")
        self._hear(choices if isinstance(choices, list) else [])
        self._frame = {name: chunk[name] for name in ("id", "object", "created", "model") if name in chunk}
        if not isinstance(chunk.get("usage"), dict):
            return event
        self._reported = chunk["usage"]
        self._exchange.take_usage(self._reported)
        if not choices:
            return None
        return _event({name: value for name, value in chunk.items() if name != "usage"})

    def closing(self) -> bytes:
        """The events that end a stream: the usage if the client asked for it, and [DONE].

        Raises:
            Refusal: the provider broke off.
        """
        if not self._finished:
            raise refusals.provider_failed()
        if not self._wants_usage:
            return DONE
        usage = self._exchange.priced_usage(self._reported)
        return _event(self._frame | {"choices": [], "usage": usage}) + DONE

    def heard(self) -> list[Message]:
        """The response so far."""
        texts = (whole_text("".join(words)) for _, words in sorted(self._words.items()))
        return [Message(role="assistant", text=text) for text in texts]

    def _hear(self, choices: list[Any]) -> None:
        for choice in choices:
            if not isinstance(choice, dict):
                continue
            if choice.get("finish_reason"):
                self._finished = True
            for words in _words(choice.get("delta")):
                index = choice.get("index")
                self._words.setdefault(index if isinstance(index, int) else 0, []).append(words)


def error_event(refusal: refusals.Refusal) -> bytes:
    """An error after the status line has gone out."""
    return _event(refusal.body())


def _words(delta: object) -> Iterator[str]:
    if not isinstance(delta, dict):
        return
    if isinstance(delta.get("content"), str):
        yield delta["content"]
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            yield from (function[n] for n in ("name", "arguments") if isinstance(function.get(n), str))


def _data(event: bytes) -> bytes:
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise refusals.provider_failed() from None
    if not isinstance(chunk, dict) or chunk.get("error"):
        raise refusals.provider_failed()
    return chunk


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
