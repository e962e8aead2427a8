"""Controls: as requested, as obeyed, and what they decide about a request."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import Received, RetentionDays, Sent

ControlName = Literal["prompt_logging", "chat_history", "traces", "evaluations", "memories"]
"""The five data-storage switches. All of them are off until a person switches them on."""

PersonalControlName = Literal["chat_history", "memories"]
"""The controls that are each person's own: what is stored under them belongs to that person alone."""


class ControlSetting(Sent):
    """One control of an account as requested: on or off, and how many days its content is kept (`None`: until deleted).

    Of a personal control, `enabled` and `retention_days` are for what service keys send, which is nobody's but the
    account's; `people` says whether people may switch it on for themselves.
    """

    enabled: bool
    retention_days: RetentionDays | None = 30
    people: Literal["own_choice", "forbidden"] = "own_choice"


class StricterControl(Sent):
    """A control of a lower level (app, key): it may switch off, never on."""

    enabled: Literal[False] = False


class PersonalSetting(Sent):
    """A personal control as one person requested it for themselves. Who is not named has it off."""

    enabled: bool
    retention_days: RetentionDays | None = 30


class RequestedControls(Sent):
    """The whole requested state of an account's controls, under the epoch that the dashboard allotted.

    What is not named in `apps`, `keys` and `people` is not stricter than the account, and of a person it is off. A key
    that was made with stricter controls keeps them until it is named in `keys`, with an empty object if in nothing.
    """

    epoch: Annotated[int, Field(ge=1, le=2**53)]
    controls: Annotated[dict[ControlName, ControlSetting], Field(json_schema_extra={"minProperties": 5})]
    apps: dict[UUID, dict[ControlName, StricterControl]] = Field(default={})
    keys: dict[UUID, dict[ControlName, StricterControl]] = Field(default={})
    people: dict[UUID, dict[PersonalControlName, PersonalSetting]] = Field(default={})


class ControlInEffect(Received):
    """A control as the gateway obeys it. `since` is when its present on/off value came into effect."""

    enabled: bool
    retention_days: int | None
    since: AwareDatetime
    since_epoch: int
    people: Literal["own_choice", "forbidden"] = "own_choice"


class StricterInEffect(Received):
    """A control that an app or a key switches off, as the gateway obeys it, and since when."""

    since: AwareDatetime
    since_epoch: int


class PersonalInEffect(Received):
    """A person's own setting of a personal control, as the gateway obeys it. `since` belongs to its on/off value."""

    enabled: bool
    retention_days: int | None
    since: AwareDatetime
    since_epoch: int


class Controls(Received):
    """The state that the gateway obeys. `epoch` 0 is the state of a new account: everything off.

    `people` holds the caller's own settings only, unless the caller is the service itself.
    """

    epoch: int
    body_hash: str
    applied_at: AwareDatetime
    in_effect: bool
    in_effect_at: AwareDatetime | None
    controls: dict[ControlName, ControlInEffect]
    apps: dict[UUID, dict[ControlName, StricterInEffect]] = Field(default={})
    keys: dict[UUID, dict[ControlName, StricterInEffect]] = Field(default={})
    people: dict[UUID, dict[PersonalControlName, PersonalInEffect]] = Field(default={})


class Decision(Received):
    """Whether content is stored, and which rule decided it.

    `rule` is one of `account_control`, `app_control`, `key_control`, `person_control`, `people_forbidden` (the account
    does not let people switch this on), `request_header`, `control_off_at_arrival`, `control_off_at_write`, `deleted`,
    `deletion_under_way`, `expired`, `account_suspended`, `failed`, `no_content`, `no_conversation` (the request named
    none), `not_applicable` (requests of this kind have nothing to store), `key_unknown`.
    """

    stored: bool
    rule: str
    level: Literal["account", "app", "key", "person", "request", "none"]
    epoch: int


class EffectivePolicy(Received):
    """What would happen to the next request of a key, per control."""

    key_id: UUID
    key_name: str
    app_id: UUID
    app_name: str
    person: UUID | None
    model: str | None
    decisions: dict[ControlName, Decision]
