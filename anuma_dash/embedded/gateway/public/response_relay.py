"""Passing the stream of a response through: typed events, the last of which carries the whole of it and its usage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from anuma_dash.gateway.schemas import Message, ToolCall

from . import refusals
from .events import data_of, named_event, parse_data
from .exchange import Exchange
from .refusals import Refusal
from .tool_calls import calls_of_output
from .words import whole_text

_ENDS: Final = ("response.completed", "response.incomplete")
_FAILURES: Final = ("error", "response.failed")


class ResponseRelay:
    """The state of one stream.

    Args:
        messages_of: the words of a whole output.
    """

    def __init__(self, exchange: Exchange, messages_of: Callable[[list[Any]], list[Message]]) -> None:
        self._exchange = exchange
        self._messages_of = messages_of
        self._words: dict[int, list[str]] = {}
        self._items: list[Any] = []
        self._last: dict[str, Any] | None = None
        self._number = 0

    def pass_on(self, event: bytes) -> bytes | None:
        """An event as it came; the last one is held back until the request is settled."""
        data = data_of(event)
        if not data:
            return event  # a comment: keeps the connection alive
        if data == b"[DONE]":
            return None
        told = parse_data(data)
        kind, number = told.get("type"), told.get("sequence_number")
        if kind in _FAILURES or told.get("error"):
            self._exchange.steps.hear(data)
            raise refusals.provider_failed()
        self._exchange.first_byte()
        self._number = number if isinstance(number, int) else self._number
        if kind in _ENDS and isinstance(told.get("response"), dict):
            self._last = told
            output = told["response"].get("output")
            self._items = output if isinstance(output, list) and output else self._items
            self._exchange.take_usage(told["response"].get("usage"))
            return None
        self._hear(told)
        return event

    def closing(self) -> bytes:
        """The last event, with what the response costs."""
        if self._last is None:
            raise refusals.provider_failed()
        response = self._last["response"] | {"usage": self._exchange.priced_usage()}
        return named_event(self._last | {"response": response})

    def failure(self, refusal: Refusal) -> bytes:
        """An `error` event. OpenAI's clients raise for `error`, others read the fields beside it."""
        error = refusal.body()["error"]
        named = {name: error[name] for name in ("code", "message", "param")}
        return named_event({"type": "error", **named, "sequence_number": self._number + 1, "error": error})

    def heard(self) -> list[Message]:
        """The response so far: the whole output once it has come."""
        output = self._last["response"].get("output") if self._last else None
        if isinstance(output, list) and output:
            return self._messages_of(output)
        texts = (whole_text("".join(words)) for _, words in sorted(self._words.items()))
        return [Message(role="assistant", text=text) for text in texts]

    def calls(self) -> list[ToolCall]:
        """Those among the items that have come whole."""
        return calls_of_output(self._items)

    def _hear(self, told: dict[str, Any]) -> None:
        if told.get("type") == "response.output_item.done":
            self._items.append(told.get("item"))
        delta, index = told.get("delta"), told.get("output_index")
        if isinstance(delta, str) and str(told.get("type")).endswith(".delta"):
            self._words.setdefault(index if isinstance(index, int) else 0, []).append(delta)
