"""Metered requests, and what is stored of them."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.controls import ControlName, Decision
from anuma_dash.gateway.schemas.keys import KeyEnvironment
from anuma_dash.gateway.schemas.shapes import Count, MicroUSD, Received, Sent


class RequestSummary(Received):
    """The metadata of one metered request. It never holds content."""

    id: UUID
    created_at: AwareDatetime
    key_id: UUID
    key_name: str
    key_last_four: str
    app_id: UUID
    app_name: str
    created_by: UUID | None
    environment: KeyEnvironment
    endpoint: str
    model: str
    provider: str
    status: int
    error_class: str | None
    streamed: bool
    outcome: Literal["completed", "failed", "canceled"]
    prompt_tokens: Count
    completion_tokens: Count
    usage_source: Literal["provider", "estimated", "none"]
    cost_micro_usd: MicroUSD
    latency_ms: Count
    first_byte_ms: int | None
    content: Decision
    content_bytes: Count
    controls: dict[ControlName, Decision] = Field(default={})
    """What each control decided about this request; `content` is that of prompt logging."""
    conversation_id: UUID | None = None
    """The stored conversation that it belongs to."""
    memories_used: Count = 0
    is_test: bool = False
    """True for requests made by *Test it now*."""


class Request(RequestSummary):
    """One request with the price that was applied and the terms of the provider that got it."""

    input_price_micro_usd_per_million: MicroUSD
    output_price_micro_usd_per_million: MicroUSD
    pricing_source: str
    policy_epoch_at_arrival: int
    policy_epoch_at_write: int
    provider_retention: str
    provider_training: str
    expires_at: AwareDatetime | None
    """When the stored content ends by the retention period; `None` without content or without an end."""


class ToolCall(Received):
    """A call of a tool that a model asked for. `arguments` is the text that it sent, mostly JSON."""

    id: str = ""
    name: str
    arguments: str


class Attachment(Received):
    """Something beside text in a message: what it was, never itself. `bytes` is its size where it was sent along."""

    kind: Literal["image", "audio", "file"]
    name: str = ""
    media_type: str = ""
    bytes: Count | None = None


class Message(Received):
    """One message of a prompt or a response."""

    role: str
    text: str
    tool_calls: list[ToolCall] = Field(default=[])
    tool_call_id: str = ""
    """Which call of a tool this answers."""
    attachments: list[Attachment] = Field(default=[])


class RequestContent(Received):
    """The stored prompt and response of one request, or the rule that kept them out."""

    content: Decision
    prompt: list[Message] | None = None
    response: list[Message] | None = None


class TraceStep(Received):
    """One step of a request: an attempt at a provider, or a call of a tool that the model asked for.

    `after_ms` is when it began, counted from the request's arrival; `detail` holds words of others, such as a
    provider's error.
    """

    kind: Literal["attempt", "tool_call"]
    after_ms: Count
    took_ms: Count | None
    name: str
    status: int | None = None
    detail: str = ""


class RequestTrace(Received):
    """The stored steps of one request, or the rule that kept them out."""

    trace: Decision
    steps: list[TraceStep] | None = None


class NewEvaluation(Sent):
    """A score and a comment that a person or a program gives a request."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    score: Annotated[float, Field(ge=-1_000_000, le=1_000_000, allow_inf_nan=False)]
    comment: Annotated[str, Field(max_length=4000)] = ""


class Evaluation(Received):
    """An evaluation of a request. `person` gave it on a page; else a program did, with the key `key_id`."""

    id: UUID
    request_id: UUID
    created_at: AwareDatetime
    name: str
    score: float
    comment: str
    person: UUID | None
    key_id: UUID | None
    expires_at: AwareDatetime | None
