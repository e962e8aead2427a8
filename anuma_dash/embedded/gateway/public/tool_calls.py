"""The calls of tools that a model asks for, wherever an answer has them."""

from __future__ import annotations

from typing import Any, Final

from anuma_dash.gateway.schemas import ToolCall

_KINDS: Final = {"function_call": "arguments", "custom_tool_call": "input", "mcp_call": "arguments"}


def calls_of_message(message: dict[str, Any]) -> list[ToolCall]:
    """Those of one message of a chat completion."""
    given = message.get("tool_calls")
    found = [_call(one) for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    old = message.get("function_call")
    if isinstance(old, dict):
        found.append(ToolCall(name=_text(old.get("name")), arguments=_text(old.get("arguments"))))
    return found


def calls_of_output(output: list[Any]) -> list[ToolCall]:
    """Those of a response."""
    return [
        ToolCall(
            id=_text(item.get("call_id")), name=_text(item.get("name")), arguments=_text(item.get(_KINDS[item["type"]]))
        )
        for item in output
        if isinstance(item, dict) and _text(item.get("type")) in _KINDS
    ]


class StreamedCalls:
    """Puts those of a streamed chat completion together."""

    def __init__(self) -> None:
        self._calls: dict[tuple[int, int], tuple[list[str], list[str], list[str]]] = {}

    def hear(self, choice: int, delta: object) -> None:
        """A piece of a choice."""
        given = delta.get("tool_calls") if isinstance(delta, dict) else None
        for one in given if isinstance(given, list) else []:
            if not isinstance(one, dict):
                continue
            index, piece = one.get("index"), _call(one)
            call = self._calls.setdefault((choice, index if isinstance(index, int) else 0), ([], [], []))
            for pieces, words in zip(call, (piece.id, piece.name, piece.arguments), strict=True):
                pieces.append(words)

    def all(self) -> list[ToolCall]:
        """As far as they have come."""
        whole = [tuple("".join(pieces) for pieces in call) for _, call in sorted(self._calls.items())]
        return [ToolCall(id=call_id, name=name, arguments=arguments) for call_id, name, arguments in whole]


def _call(given: dict[str, Any]) -> ToolCall:
    custom = given.get("custom")
    if isinstance(custom, dict):
        return ToolCall(id=_text(given.get("id")), name=_text(custom.get("name")), arguments=_text(custom.get("input")))
    function = given.get("function")
    function = function if isinstance(function, dict) else {}
    return ToolCall(
        id=_text(given.get("id")), name=_text(function.get("name")), arguments=_text(function.get("arguments"))
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
