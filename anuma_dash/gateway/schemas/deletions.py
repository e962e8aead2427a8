"""Deletions, and how they are proven."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import Count, Received, Sent, Time

ContentCategory = Literal["request_content", "traces", "evaluations", "conversations", "memories"]
"""What is stored under the five controls, in their order."""


class DeletionScope(Sent):
    """What to delete: everything of a category, or of all of them (`all_content`), narrowed by what else is set.

    `before` is the time of an item's arrival, of a conversation that of its last message. `person` are items that
    belong to that person, `service` items that belong to nobody. The last four are for conversations alone: `query` is
    a search as on the page. Items that arrive after the deletion was accepted are never part of it.
    """

    category: ContentCategory | Literal["all_content"]
    before: Time | None = None
    person: UUID | None = None
    service: bool = False
    request_ids: list[UUID] | None = Field(default=None, max_length=1000)
    conversation_ids: list[UUID] | None = Field(default=None, max_length=10_000)
    memory_ids: list[UUID] | None = Field(default=None, max_length=1000)
    evaluation_ids: list[UUID] | None = Field(default=None, max_length=1000)
    app_id: UUID | None = None
    model: str | None = Field(default=None, max_length=200)
    pinned: bool | None = None


class DeletionPreview(Received):
    """What a deletion of this scope would delete, counted right now. `held` are items that a legal duty keeps."""

    as_of: AwareDatetime
    total: Count
    oldest: AwareDatetime | None
    newest: AwareDatetime | None
    held: Count


class NewDeletion(Sent):
    """A deletion under the identifier that the dashboard chose, so that asking twice deletes once."""

    id: UUID
    scope: DeletionScope


class StoreResult(Received):
    """What was done in one store, and how it was checked.

    `searched_bytes` is how much was read while looking for the deleted text, `found` how many of the searched
    pieces were still there, `control_found` whether a string planted for the purpose was found by the same search.
    """

    store: str
    category: str
    count: Count
    method: Literal["destroy_key", "erase", "checkpoint", "none_held"]
    verified_at: AwareDatetime | None
    searched_pieces: Count = 0
    searched_bytes: Count = 0
    found: Count = 0
    control_found: bool | None = None
    note: str = ""


class Kept(Received):
    """What a deletion left, and why."""

    category: str
    count: Count
    reason: str


class Unreachable(Received):
    """A place that the gateway cannot look into, and why."""

    place: str
    reason: str


class Deletion(Received):
    """A deletion as an object."""

    id: UUID
    scope: DeletionScope
    state: Literal["requested", "purging", "verified", "failed"]
    requested_at: AwareDatetime
    finished_at: AwareDatetime | None
    total: Count
    done: Count
    per_store: list[StoreResult]
    not_reached: list[Unreachable]
    kept: list[Kept] = Field(default=[])
    backups_unreadable_by: AwareDatetime
    failure: str | None = None
