"""API keys."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.controls import ControlName, StricterControl
from anuma_dash.gateway.schemas.shapes import MicroUSD, Received, Sent, Time

KeyEnvironment = Literal["live", "test"]
LAST_FOUR = r"^[0-9A-Za-z]{4}$"
"""The last four characters of a key, by which a person names it to others."""


class NewKey(Sent):
    """A key to be made. `created_by` is the person it belongs to; `None` makes a service key.

    Without `app_id` it belongs to the account's default app. `controls` are stricter from its first request on.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    app_id: UUID | None = None
    controls: dict[ControlName, StricterControl] = Field(default={})
    environment: KeyEnvironment = "live"
    created_by: UUID | None = None
    expires_at: Time | None = None


class KeyChange(Sent):
    """What is to change of a key; what is left out, or null, stays.

    `created_by` is the person it belongs to from now on; requests that were made before stay the former person's.
    `is_active` lets a key work again that was deactivated with its account.
    """

    created_by: UUID | None = None
    is_active: Literal[True] | None = None


class Key(Received):
    """A key without its secret. `state` says whether it works now.

    `deactivated_at` is when the account was suspended or closed; it stays until somebody activates the key again.
    `made_without` are the controls that it was made stricter in; they count until the requested controls name the key.
    """

    id: UUID
    name: str
    app_id: UUID
    app_name: str
    environment: KeyEnvironment
    prefix: str
    last_four: str
    created_by: UUID | None
    created_at: AwareDatetime
    in_effect_at: AwareDatetime
    expires_at: AwareDatetime | None
    last_used_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    revocation_in_effect_at: AwareDatetime | None
    deactivated_at: AwareDatetime | None = None
    state: Literal["active", "expired", "revoked", "deactivated"]
    spent_month_micro_usd: MicroUSD = 0
    made_without: list[ControlName] = Field(default=[])


class CreatedKey(Key):
    """A new key with its secret, which is never answered a second time.

    A repeated request with the same idempotency key gets `secret: null` and `code: secret_already_shown`.
    """

    secret: str | None
    code: Literal["created", "secret_already_shown"] = "created"


class KeyOwners(Received):
    """The accounts that have a key with certain last four characters. `more`: there are more than are named."""

    account_ids: list[UUID]
    more: bool
