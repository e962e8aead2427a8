"""Metered requests, and what is stored of them."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from anuma_dash.gateway.schemas.controls import Decision
from anuma_dash.gateway.schemas.keys import KeyEnvironment
from anuma_dash.gateway.schemas.shapes import Count, MicroUSD, Received


class RequestSummary(Received):
    """The metadata of one metered request. It never holds content."""

    id: UUID
    created_at: AwareDatetime
    key_id: UUID
    key_name: str
    key_last_four: str
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


class Message(Received):
    """One message of a prompt or a response, as plain text."""

    role: str
    text: str


class RequestContent(Received):
    """The stored prompt and response of one request, or the rule that kept them out."""

    content: Decision
    prompt: list[Message] | None = None
    response: list[Message] | None = None
