"""Chat completions: the body as OpenAI's clients send it, and the words in it."""

from __future__ import annotations

import json
from typing import Any, Final

from anuma_dash.gateway.schemas import Message, ToolCall

from ..settings import EndpointName
from .endpoints import Count, Order, bound, check_number, flag, invalid, kept_nowhere, optional_object, parse_object
from .exchange import Exchange
from .relay import ChatRelay
from .tool_calls import calls_of_message
from .words import estimate_beyond_text, estimate_tokens, text_of, whole_text


class Chat:
    """`POST /v1/chat/completions`."""

    name: EndpointName = "chat/completions"

    def parse(self, data: bytes) -> Order:
        """Needs a model and messages that have roles."""
        body = parse_object(data)
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or not all(_is_message(m) for m in messages):
            raise invalid("'messages' must be a non-empty list of objects with a 'role'.", "messages")
        check_number(messages, "messages")
        wants_usage = bool(optional_object(body, "stream_options").get("include_usage"))
        prompt = tuple(_message(m) for m in messages)
        return Order(self, body, body["model"], self if flag(body, "stream") else None, wants_usage, prompt)

    def upstream_body(self, order: Order) -> dict[str, Any]:
        """Of a stream, the usage is asked for always."""
        body = kept_nowhere(order.body)
        if order.stream:
            body["stream_options"] = (body.get("stream_options") or {}) | {"include_usage": True}
        return body

    def is_answer(self, answer: dict[str, Any]) -> bool:
        """It has choices."""
        return isinstance(answer.get("choices"), list)

    def messages(self, answer: dict[str, Any]) -> list[Message]:
        """One message for each choice."""
        return [_message(message) for message in _said(answer)]

    def calls(self, answer: dict[str, Any]) -> list[ToolCall]:
        """Those of every choice."""
        return [call for message in _said(answer) for call in calls_of_message(message)]

    def count(self, reported: dict[str, Any]) -> tuple[object, object]:
        """The fields' names here."""
        return reported.get("prompt_tokens"), reported.get("completion_tokens", 0)

    def usage(self, count: Count) -> dict[str, Any]:
        """The fields' names here."""
        return {
            "prompt_tokens": count.prompt,
            "completion_tokens": count.completion,
            "total_tokens": count.prompt + count.completion,
        }

    def estimate_prompt(self, order: Order) -> int:
        """By its words, attachments and tools."""
        contents = (message.get("content") for message in order.body["messages"])
        words = estimate_tokens(message.text for message in order.prompt)
        return words + estimate_beyond_text(contents, order.body)

    def most_completion(self, order: Order, unsaid: int) -> int:
        """For all choices together."""
        most, choices = bound(order.body, "max_completion_tokens", "max_tokens"), bound(order.body, "n")
        return (unsaid if most is None else most) * (choices or 1)

    def relay(self, exchange: Exchange, order: Order) -> ChatRelay:
        """Chunks, usage if it was asked for, and [DONE]."""
        return ChatRelay(exchange, order.wants_usage)


CHAT: Final = Chat()


def _said(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found = (choice.get("message") for choice in answer["choices"] if isinstance(choice, dict))
    return [message for message in found if isinstance(message, dict)]


def _message(message: dict[str, Any]) -> Message:
    texts = [text_of(message.get("content"))]
    texts += [json.dumps(message[name]) for name in ("tool_calls", "function_call") if message.get(name)]
    role = str(message.get("role", "assistant"))[:64]
    return Message(role=whole_text(role), text=whole_text("\n".join(text for text in texts if text)))


def _is_message(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str)
