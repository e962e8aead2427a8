"""What is stored and what happens, counted: everything that one page needs, in one call."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.apps import App
from anuma_dash.gateway.schemas.controls import ControlName, Controls
from anuma_dash.gateway.schemas.conversations import ConversationOwner
from anuma_dash.gateway.schemas.deletions import ContentCategory
from anuma_dash.gateway.schemas.keys import Key
from anuma_dash.gateway.schemas.purges import Purge
from anuma_dash.gateway.schemas.requests import RequestSummary
from anuma_dash.gateway.schemas.shapes import Count, MicroUSD, Received


class InventoryRow(Received):
    """How much of one data category is stored, right now: of the account, or of the caller alone (`owner`: me).

    `next_purge` is when what is past its period is deleted next; `None` if it has no period.
    """

    category: ContentCategory | Literal["request_metadata"]
    owner: ConversationOwner = "account"
    count: Count
    bytes: Count
    oldest: AwareDatetime | None
    newest: AwareDatetime | None
    expired_not_purged: Count
    retention_days: int | None
    next_purge: AwareDatetime | None


class Inventory(Received):
    """The inventory of an account, with the time at which it was counted."""

    as_of: AwareDatetime
    rows: list[InventoryRow]


class Evidence(Received):
    """The last requests that a control's present value decided, and how many of them stored content.

    Of a personal control, requests of the caller's own keys and the caller's own value.
    """

    control: ControlName
    looked_at: Count
    stored_content: Count


class DataState(Received):
    """Everything the controls page needs, in one call."""

    as_of: AwareDatetime
    controls: Controls
    inventory: Inventory
    evidence: list[Evidence]
    purges: list[Purge] = Field(default=[])
    """The last runs of the scheduled deletion over what the caller may see, newest first."""
    apps: list[App] = Field(default=[])
    latest: list[RequestSummary]
    keys: list[Key]


class Day(Received):
    """The sums of one UTC day."""

    day: date
    requests: Count
    errors: Count
    cost_micro_usd: MicroUSD


class Overview(Received):
    """Everything the overview page needs, in one call. Days are UTC days."""

    as_of: AwareDatetime
    requests_today: Count
    errors_today: Count
    cost_today_micro_usd: MicroUSD
    cost_month_micro_usd: MicroUSD
    stored_items: Count
    stored_bytes: Count
    active_keys: Count
    requests_ever: Count
    days: list[Day]
    controls: Controls
    latest: list[RequestSummary]
    expiring_keys: list[Key]
