"""What the metered endpoints have in common: the parsed request, and what each of them must be able to say about it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from anuma_dash.gateway.schemas import Message, ToolCall

from ..settings import EndpointName
from . import refusals
from .naming import without_name
from .refusals import Refusal

if TYPE_CHECKING:
    from .exchange import Exchange


_NOT_PASSED_ON: Final = ("prompt_cache_retention",)
"""It asks a provider to keep the prompt's beginning for a day; without it, its own minutes hold."""
_BEYOND_ALL: Final = 2**53
MAX_MESSAGES: Final = 10_000
"""In one request: each is looked at before anything else is done, while everybody else waits."""


@dataclass(frozen=True)
class Order:
    """A parsed request.

    Args:
        streams: the endpoint, if a stream was asked for.
        wants_usage: the client asked for the usage at a stream's end.
    """

    endpoint: Endpoint
    body: dict[str, Any]
    model: str
    streams: StreamingEndpoint | None
    wants_usage: bool
    prompt: tuple[Message, ...]

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.streams is not None


@dataclass(frozen=True)
class Count:
    """How many tokens went in and came out."""

    prompt: int
    completion: int


class Endpoint(Protocol):
    """One of OpenAI's endpoints."""

    @property
    def name(self) -> EndpointName:
        """Its path, here and at providers."""

    def parse(self, data: bytes) -> Order:
        """Parse a body, checking what the gateway itself needs; the rest is the provider's to judge.

        Raises:
            Refusal: 422, naming the field.
        """

    def upstream_body(self, order: Order) -> dict[str, Any]:
        """What a provider gets, but for the model's name there. It is always asked for usage, and never to keep."""

    def is_answer(self, answer: dict[str, Any]) -> bool:
        """Whether a provider's whole answer is one."""

    def messages(self, answer: dict[str, Any]) -> list[Message]:
        """The words of a whole answer."""

    def calls(self, answer: dict[str, Any]) -> list[ToolCall]:
        """The calls of tools that a whole answer asks for."""

    def count(self, reported: dict[str, Any]) -> tuple[object, object]:
        """The two numbers of tokens that a provider reports, unchecked."""

    def usage(self, count: Count) -> dict[str, Any]:
        """Those two numbers, as this endpoint's `usage` says them."""

    def estimate_prompt(self, order: Order) -> int:
        """How many tokens the prompt comes to, if the provider does not count."""

    def most_completion(self, order: Order, unsaid: int) -> int:
        """How many tokens the answer may have; `unsaid` is how many one may have that the request does not bound."""


class StreamingEndpoint(Endpoint, Protocol):
    """One that can also answer with a stream."""

    def relay(self, exchange: Exchange, order: Order) -> Relay:
        """The state of one stream."""


class Relay(Protocol):
    """Passes a provider's stream through, event by event, seeing usage and words go by."""

    def pass_on(self, event: bytes) -> bytes | None:
        """What the client gets for a provider's event, `None` for nothing.

        Raises:
            Refusal: the provider reported an error, or sent garbage.
        """

    def closing(self) -> bytes:
        """The events that end a stream; they go out when the request is settled.

        Raises:
            Refusal: the provider broke off.
        """

    def failure(self, refusal: Refusal) -> bytes:
        """An error after the status line has gone out."""

    def heard(self) -> list[Message]:
        """The response so far."""

    def calls(self) -> list[ToolCall]:
        """The calls of tools that the model has asked for so far."""


def parse_object(data: bytes) -> dict[str, Any]:
    """A body that must be a JSON object with a `model`.

    Raises:
        Refusal: 422, it is none.
    """
    try:
        body = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refusals.bad_body("invalid_json", "The request body is not JSON.") from None
    if not isinstance(body, dict):
        raise invalid("The request body is not a JSON object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise invalid("'model' must be a non-empty string.", "model")
    return body


def _no_constant(_name: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are Python's, not JSON's (RFC 8259, 6); they must not be passed on


def flag(body: dict[str, Any], name: str) -> bool:
    """An optional true or false.

    Raises:
        Refusal: 422, it is something else.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"'{name}' must be true or false.", name)
    return bool(value)


def optional_object(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An optional object.

    Raises:
        Refusal: 422, it is something else.
    """
    value = body.get(name)
    if value is not None and not isinstance(value, dict):
        raise invalid(f"'{name}' must be an object.", name)
    return value or {}


def check_number(given: list[Any], name: str) -> None:
    """So many messages, or items of an input, and no more.

    Raises:
        Refusal: 422, there are more.
    """
    if len(given) > MAX_MESSAGES:
        raise invalid(f"'{name}' must have at most {MAX_MESSAGES} entries.", name)


def invalid(message: str, param: str | None = None) -> Refusal:
    """The body is not what the endpoint takes."""
    return refusals.bad_body("invalid_body", message, param)


def bound(body: dict[str, Any], *names: str) -> int | None:
    """The highest bound that these fields set: which of them a provider obeys, and how it reads them, nobody knows."""
    return max((number for name in names if (number := _as_number(body.get(name))) is not None), default=None)


def _as_number(value: object) -> int | None:
    """What a lenient provider may read as a number of tokens: 5000, 5e3, "5000"."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = math.ceil(float(value))
    except OverflowError:
        return _BEYOND_ALL
    except ValueError:
        return None
    return number if number >= 0 else None


def kept_nowhere(body: dict[str, Any]) -> dict[str, Any]:
    """A body without any wish that the provider keep something, and without the names that are this gateway's own."""
    sent = {name: value for name, value in without_name(body).items() if name not in _NOT_PASSED_ON}
    return sent | {"store": False} if sent.get("store") else sent
