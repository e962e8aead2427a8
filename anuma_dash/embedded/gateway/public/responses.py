"""Responses: the body as OpenAI's clients send it, and the words in it.

No answer is kept between requests, here or (as far as they can be asked) at providers, so what needs a kept one is
refused.
"""

from __future__ import annotations

import json
from typing import Any, Final

from anuma_dash.gateway.schemas import Message, ToolCall

from ..settings import EndpointName
from . import refusals
from .endpoints import Count, Order, bound, check_number, flag, invalid, kept_nowhere, optional_object, parse_object
from .exchange import Exchange
from .response_relay import ResponseRelay
from .tool_calls import calls_of_output
from .words import estimate_beyond_text, estimate_tokens, text_of, whole_text

_NEEDS_A_KEPT_ANSWER: Final = ("previous_response_id", "conversation", "background")
_CALLS: Final = ("name", "arguments", "input", "output")


class Responses:
    """`POST /v1/responses`."""

    name: EndpointName = "responses"

    def parse(self, data: bytes) -> Order:
        """Needs a model and an input: words, or items that are objects."""
        body = parse_object(data)
        for name in _NEEDS_A_KEPT_ANSWER:
            if body.get(name):
                raise refusals.not_supported(name, "No response is kept between requests here. Send the whole input.")
        given, instructions = body.get("input"), body.get("instructions")
        items = [{"role": "user", "content": given}] if isinstance(given, str) and given else given
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise invalid("'input' must be a non-empty string or list of objects.", "input")
        check_number(items, "input")
        if instructions is not None and not isinstance(instructions, str):
            raise invalid("'instructions' must be a string.", "instructions")
        optional_object(body, "stream_options")
        system = [{"role": "system", "content": instructions}] if instructions else []
        prompt = tuple(_message(item) for item in [*system, *items])
        return Order(self, body, body["model"], self if flag(body, "stream") else None, True, prompt)

    def upstream_body(self, order: Order) -> dict[str, Any]:
        """Providers keep responses unless they are told not to."""
        return kept_nowhere(order.body) | {"store": False}

    def is_answer(self, answer: dict[str, Any]) -> bool:
        """It has an output and did not fail."""
        return isinstance(answer.get("output"), list) and not answer.get("error") and answer.get("status") != "failed"

    def messages(self, answer: dict[str, Any]) -> list[Message]:
        """One message for each item of the output."""
        return messages_of(answer["output"])

    def calls(self, answer: dict[str, Any]) -> list[ToolCall]:
        """Those among the output's items."""
        return calls_of_output(answer["output"])

    def count(self, reported: dict[str, Any]) -> tuple[object, object]:
        """The fields' names here."""
        return reported.get("input_tokens"), reported.get("output_tokens")

    def usage(self, count: Count) -> dict[str, Any]:
        """The fields' names here. Clients expect the details."""
        return {
            "input_tokens": count.prompt,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": count.completion,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": count.prompt + count.completion,
        }

    def estimate_prompt(self, order: Order) -> int:
        """By its words, attachments and tools."""
        items = order.body["input"] if isinstance(order.body["input"], list) else []
        words = estimate_tokens(message.text for message in order.prompt)
        return words + estimate_beyond_text((item.get("content") for item in items), order.body)

    def most_completion(self, order: Order, unsaid: int) -> int:
        """The field's name here."""
        most = bound(order.body, "max_output_tokens")
        return unsaid if most is None else most

    def relay(self, exchange: Exchange, order: Order) -> ResponseRelay:
        """Typed events, the last one with the usage."""
        return ResponseRelay(exchange, messages_of)


RESPONSES: Final = Responses()


def messages_of(output: list[Any]) -> list[Message]:
    """The words of an output."""
    return [_message(item) for item in output if isinstance(item, dict)]


def _message(item: dict[str, Any]) -> Message:
    """An item: a message, a call of a tool, what the tool answered, or a summary of thoughts."""
    texts = [text_of(item.get("content")), text_of(item.get("summary"))]
    texts += [value if isinstance(value, str) else json.dumps(value) for n in _CALLS if (value := item.get(n))]
    words = "\n".join(text for text in texts if text)
    kind = str(item.get("type", "message"))[:64]
    role = str(item.get("role") or ("tool" if kind.endswith("_output") else "assistant"))[:64]
    return Message(role=whole_text(role), text=whole_text(words or f"[{kind}]"))
