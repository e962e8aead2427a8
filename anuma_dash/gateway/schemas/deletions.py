"""Deletions, and how they are proven."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import Count, Received, Sent, Time


class DeletionScope(Sent):
    """What to delete. `request_content` with `before` and `request_ids` unset means all of it.

    Items that arrive after the deletion was accepted are never part of it.
    """

    category: Literal["request_content"]
    before: Time | None = None
    request_ids: list[UUID] | None = Field(default=None, max_length=1000)
    person: UUID | None = None


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
    backups_unreadable_by: AwareDatetime
    failure: str | None = None
