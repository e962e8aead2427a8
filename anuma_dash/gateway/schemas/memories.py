"""Memories: what a person wants models to be told, each person's own."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import Received, Sent

MemoryText = Annotated[str, Field(min_length=1, max_length=4000)]
Apps = Annotated[list[UUID], Field(max_length=200)]
Providers = Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=100)]


class NewMemory(Sent):
    """A memory to be kept. `app_ids` may use it and `providers` may receive it; `None` is any of them."""

    text: MemoryText
    app_ids: Apps | None = None
    providers: Providers | None = None


class MemoryChange(Sent):
    """The whole memory as it is to be."""

    text: MemoryText
    app_ids: Apps | None = None
    providers: Providers | None = None


class Memory(Received):
    """A memory. A person wrote it on a page, or a program sent it with the key `key_id` of the app `app_id`."""

    id: UUID
    created_at: AwareDatetime
    updated_at: AwareDatetime
    text: str
    source: Literal["person", "program"]
    app_id: UUID | None
    key_id: UUID | None
    app_ids: list[UUID] | None
    providers: list[str] | None
    last_used_at: AwareDatetime | None
    expires_at: AwareDatetime | None
