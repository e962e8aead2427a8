"""The shapes that travel over the gateway's internal API, `/internal/v1`.

This file is the contract: the embedded gateway serves these models, the dashboard's client reads them, and
`openapi.yaml` beside it is generated from them. Money is integer micro-USD (`*_micro_usd`), times are aware UTC
(RFC 3339), identifiers are UUIDv7, durations carry their unit in the name.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

CONTRACT_VERSION = "1.2"

ControlName = Literal["prompt_logging", "chat_history", "traces", "evaluations", "memories"]
"""The five data-storage switches. All of them are off until a person switches them on."""

AccountStatus = Literal["active", "suspended", "closed"]
KeyEnvironment = Literal["live", "test"]
LAST_FOUR = r"^[0-9A-Za-z]{4}$"
"""The last four characters of a key, by which a person names it to others."""


_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]", re.ASCII)


def _rfc3339(value: object) -> object:
    """Times are spelled out: pydantic alone would take a number for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.match(value)):
        return value
    raise ValueError("must be a time as in RFC 3339")


Time = Annotated[AwareDatetime, BeforeValidator(_rfc3339)]
"""A time that is sent to the gateway (RFC 3339, with its offset)."""

MicroUSD = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
RetentionDays = Annotated[int, Field(ge=1, le=3650)]
"""How long content is kept, in days; `None` means "until I delete it"."""


class Sent(BaseModel):
    """What the dashboard sends: unknown fields are refused, so that a typo is never silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Received(BaseModel):
    """What the gateway answers: unknown fields are ignored, so that a gateway may be newer than the dashboard."""

    model_config = ConfigDict(frozen=True, extra="ignore")


T = TypeVar("T")


class Page(Received, Generic[T]):
    """One keyset page: the rows and the cursor of the next page, `None` on the last one."""

    data: list[T]
    next: str | None = None


class Problem(Received):
    """Problem details (RFC 9457) with a stable `code`."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    stored_epoch: int | None = None
    stored_version: int | None = None
    body_hash: str | None = None
    retry_after_seconds: int | None = None


class Contract(Received):
    """What the gateway is: `contract` must equal `CONTRACT_VERSION` for the two to work together."""

    contract: str
    gateway: str
    version: str


# Accounts


class AccountBody(Sent):
    """The whole account, created or replaced. Leaving `active` deactivates its keys; coming back activates none.

    `revision` goes up with each change: a lower one than was seen is refused (409), so that a call that is late undoes
    nothing. Without it the order of arrival counts.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    status: AccountStatus = "active"
    revision: Annotated[int, Field(ge=1, le=2**53)] | None = None


class Account(Received):
    """An account as the gateway knows it. `status_in_effect_at` is since when every part of the gateway obeys `status`,
    `None` as long as one may not."""

    id: UUID
    name: str
    status: AccountStatus
    revision: int
    status_in_effect_at: AwareDatetime | None
    created_at: AwareDatetime
    updated_at: AwareDatetime


# Keys


class NewKey(Sent):
    """A key to be made. `created_by` is the person it belongs to; `None` makes a service key."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
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
    """

    id: UUID
    name: str
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


# Controls


class ControlSetting(Sent):
    """One control as requested: on or off, and how many days its content is kept (`None`: until deleted)."""

    enabled: bool
    retention_days: RetentionDays | None = 30


class StricterControl(Sent):
    """A control of a lower level (app, key, person): it may switch off, never on."""

    enabled: Literal[False] = False


class RequestedControls(Sent):
    """The whole requested state of an account's controls, under the epoch that the dashboard allotted."""

    epoch: Annotated[int, Field(ge=1, le=2**53)]
    controls: Annotated[dict[ControlName, ControlSetting], Field(json_schema_extra={"minProperties": 5})]
    apps: dict[UUID, dict[ControlName, StricterControl]] = {}
    keys: dict[UUID, dict[ControlName, StricterControl]] = {}
    people: dict[UUID, dict[ControlName, StricterControl]] = {}


class ControlInEffect(Received):
    """A control as the gateway obeys it. `since` is when its present on/off value came into effect."""

    enabled: bool
    retention_days: int | None
    since: AwareDatetime
    since_epoch: int


class Controls(Received):
    """The state that the gateway obeys. `epoch` 0 is the state of a new account: everything off."""

    epoch: int
    body_hash: str
    applied_at: AwareDatetime
    in_effect: bool
    in_effect_at: AwareDatetime | None
    controls: dict[ControlName, ControlInEffect]


class Decision(Received):
    """Whether content is stored, and which rule decided it.

    `rule` is one of `account_control`, `app_control`, `key_control`, `person_control`, `request_header`,
    `control_off_at_arrival`, `control_off_at_write`, `deleted`, `deletion_under_way`, `expired`, `account_suspended`,
    `failed`, `no_content`, `key_unknown`.
    """

    stored: bool
    rule: str
    level: Literal["account", "app", "key", "person", "request", "none"]
    epoch: int


class EffectivePolicy(Received):
    """What would happen to the next request of a key, per control."""

    key_id: UUID
    model: str | None
    decisions: dict[ControlName, Decision]


# Credit


class CreditBody(Sent):
    """What the account may spend by the dashboard's ledger, under a version that only goes up.

    `charged_micro_usd` is how much of the gateway's `spent_micro_usd` is already out of `available_micro_usd`.
    """

    available_micro_usd: Annotated[int, Field(ge=-(2**53), le=2**53)]
    charged_micro_usd: Annotated[int, Field(ge=0, le=2**53)]
    version: Annotated[int, Field(ge=1, le=2**53)]


class Credit(Received):
    """An account's credit. A request is sent on if available - unsettled - reserved reaches for what it may cost.

    `spent_micro_usd` counts from the account's first credit; `unsettled_micro_usd` is what of it is not charged yet;
    `reserved_micro_usd` is set aside for requests under way.
    """

    available_micro_usd: int
    charged_micro_usd: MicroUSD
    version: int
    spent_micro_usd: MicroUSD
    unsettled_micro_usd: MicroUSD
    reserved_micro_usd: MicroUSD
    updated_at: AwareDatetime


# Requests


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


# What is stored


class InventoryRow(Received):
    """How much of one data category is stored for an account, right now."""

    category: Literal["request_content", "request_metadata"]
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
    """The last requests that a control's present value decided, and how many of them stored content."""

    control: ControlName
    looked_at: Count
    stored_content: Count


class DataState(Received):
    """Everything the controls page needs, in one call."""

    as_of: AwareDatetime
    controls: Controls
    inventory: Inventory
    evidence: list[Evidence]
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


# Deletions


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


# Canary


class NewCanary(Sent):
    """Send a test string through the normal path under this key (the built-in model, free)."""

    key_id: UUID


class StoreScan(Received):
    """One store that was searched byte by byte for the test string and for the control string."""

    store: str
    searched_bytes: Count
    control_found: bool
    test_found: bool


class Canary(Received):
    """What *Test it now* found.

    `readable` is the decrypted look at the test request's content: it must be true exactly when `expected` is.
    """

    id: UUID
    at: AwareDatetime
    key_id: UUID
    request_id: UUID
    epoch: int
    expected: bool
    readable: bool
    decision: Decision
    scans: list[StoreScan]
    not_reached: list[Unreachable]
    passed: bool
