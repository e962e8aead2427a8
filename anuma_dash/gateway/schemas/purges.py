"""Scheduled deletion of what is past its period."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from anuma_dash.gateway.schemas.controls import ControlName
from anuma_dash.gateway.schemas.deletions import ContentCategory
from anuma_dash.gateway.schemas.shapes import Count, Received


class Purge(Received):
    """One run over one category of one owner: what arrived before `cutoff` is deleted, `count` of it so far.

    `waiting` runs deleted nothing more for the `reason` given, and try again.
    """

    id: UUID
    category: ContentCategory
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    cutoff: AwareDatetime
    count: Count
    held: Count
    state: Literal["running", "done", "waiting"]
    reason: str = ""


class RetentionPreview(Received):
    """What a period would delete at the next purge, counted right now."""

    control: ControlName
    retention_days: int | None
    as_of: AwareDatetime
    count: Count
    bytes: Count
    oldest: AwareDatetime | None
    newest: AwareDatetime | None
    next_purge: AwareDatetime
