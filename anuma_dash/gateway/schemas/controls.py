"""Controls: as requested, as obeyed, and what they decide about a request."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from anuma_dash.gateway.schemas.shapes import Received, RetentionDays, Sent

ControlName = Literal["prompt_logging", "chat_history", "traces", "evaluations", "memories"]
"""The five data-storage switches. All of them are off until a person switches them on."""


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
    apps: dict[UUID, dict[ControlName, StricterControl]] = Field(default={})
    keys: dict[UUID, dict[ControlName, StricterControl]] = Field(default={})
    people: dict[UUID, dict[ControlName, StricterControl]] = Field(default={})


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
