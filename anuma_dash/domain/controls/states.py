"""What may be said about a control: from what was asked, what was confirmed, and what the gateway says right now.

Nothing here reads a database, a gateway or a clock. `off` and `on` come only from a gateway that says, now, that it
obeys the settings which it confirmed to us; every doubt has a state of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from anuma_dash.domain.controls.models import ControlChange, Standing
from anuma_dash.domain.controls.scopes import Aspect, Scope, Value, initial_state, told_value, value_in
from anuma_dash.gateway import schemas

StateName = Literal["off", "on", "turning_on", "turning_off", "unknown", "last_known"]
Doubt = Literal["higher", "lower", "differs", "not_in_effect"]


@dataclass(frozen=True)
class ControlState:
    """What may be said about one control.

    `stands_on` is where the gateway last confirmed the switch; None if it never did. `since` is the gateway's word,
    in `off` and `on` only. `told_on` and `told_epoch` are what the gateway says where that is not what stands, and
    `asked_on` is our last request. `confirmed_at` belongs to `last_known`; the rest to `turning_on` and `turning_off`.
    """

    name: StateName
    stands_on: bool | None
    epoch: int = 0
    since: datetime | None = None
    doubt: Doubt | None = None
    told_on: bool | None = None
    told_epoch: int | None = None
    asked_on: bool | None = None
    confirmed_at: datetime | None = None
    requested_at: datetime | None = None
    requested_by_name: str = ""
    tries_failed: int = 0
    next_try_seconds: int | None = None

    @property
    def pending(self) -> bool:
        """Whether a change is on its way."""
        return self.name in ("turning_on", "turning_off")

    @property
    def settled(self) -> bool:
        """Whether the gateway says, now, what it obeys, and it is what was confirmed to us."""
        return self.name in ("off", "on")


@dataclass(frozen=True)
class Told:
    """What may be said of a period, or of whether people may choose: `value` is it, as far as somebody confirmed it.

    `in_effect`: the gateway says so now. `changing`: `asked` is on its way, and either may be what it obeys. `unknown`:
    it says something else than it had confirmed, which is `value`. `last_known`: it cannot be asked.
    """

    name: Literal["in_effect", "changing", "unknown", "last_known"]
    value: Value
    asked: Value | None = None


def control_state(
    scope: Scope, known: Standing, told: schemas.Controls | None, floor: int, now: datetime
) -> ControlState:
    """The state of a control at a scope.

    `known` must be read after the gateway was asked (an epoch above ours is then a stranger's, not another tab's), and
    `floor` is the confirmed epoch as it stood before (an epoch below that was lost, not overtaken while it was asked).
    `told` is None if the gateway cannot be asked.
    """
    if told is not None and scope.control not in told.controls:
        told = None
    confirmed_on = value_in(known.confirmed.state, scope).enabled if known.confirmed else None
    latest = known.latest
    if latest is not None and latest.outcome != "in_effect" and (scope, "switch") in known.unsettled:
        return _turning(scope, latest, told, bool(confirmed_on), now)
    if told is None:
        at = known.confirmed.confirmed_at if known.confirmed else None
        return ControlState("last_known", confirmed_on, epoch=known.confirmed_epoch, confirmed_at=at)
    said = told_value(told, scope)
    doubt = _doubt("switch", known, told, scope, floor)
    if doubt:
        return ControlState(
            "unknown",
            confirmed_on,
            epoch=known.latest_epoch,
            doubt=doubt,
            told_on=said.enabled,
            told_epoch=told.epoch,
            asked_on=value_in(latest.state, scope).enabled if latest else None,
        )
    if told.epoch < known.confirmed_epoch:
        # It was confirmed while the gateway was being asked: its answer is the older one.
        change = known.changes.get(scope)
        since, epoch = change.in_effect_at if change else None, known.confirmed_epoch
        return ControlState("on" if confirmed_on else "off", confirmed_on, epoch=epoch, since=since)
    name: StateName = "on" if said.enabled else "off"
    return ControlState(name, said.enabled, epoch=told.epoch, since=_since(told, scope))


def setting_state(aspect: Aspect, scope: Scope, known: Standing, told: schemas.Controls | None, floor: int) -> Told:
    """The state of a control's period, or of whether people may choose it. Arguments as in `control_state`."""
    latest, confirmed = known.latest, _confirmed(known, scope)
    if latest is not None and latest.outcome != "in_effect" and (scope, aspect) in known.unsettled:
        asked = value_in(latest.state, scope)
        return Told("changing", told_value(told, scope) if told else confirmed, asked)
    if told is None:
        return Told("last_known", confirmed)
    if _doubt(aspect, known, told, scope, floor):
        return Told("unknown", told_value(told, scope), confirmed)
    return Told("in_effect", confirmed)


def _confirmed(known: Standing, scope: Scope) -> Value:
    return value_in(known.confirmed.state if known.confirmed else initial_state(), scope)


def _since(told: schemas.Controls, scope: Scope) -> datetime | None:
    setting = told_setting(told, scope)
    return setting.since if setting else None


def told_setting(
    told: schemas.Controls, scope: Scope
) -> schemas.ControlInEffect | schemas.PersonalInEffect | schemas.StricterInEffect | None:
    """What the gateway says at a scope, with since when; None if nothing is set there."""
    if scope.level == "account" or scope.target_id is None:
        return told.controls.get(scope.control)
    if scope.level == "person":
        own: dict[Any, schemas.PersonalInEffect] = told.people.get(scope.target_id, {})
        return own.get(scope.control)
    return (told.apps if scope.level == "app" else told.keys).get(scope.target_id, {}).get(scope.control)


def _turning(
    scope: Scope, latest: ControlChange, told: schemas.Controls | None, confirmed_on: bool, now: datetime
) -> ControlState:
    told_on = told_value(told, scope).enabled if told else None
    wanted = value_in(latest.state, scope).enabled
    wait = (latest.next_try_at - now).total_seconds() if latest.next_try_at and latest.failures else None
    return ControlState(
        "turning_on" if wanted else "turning_off",
        confirmed_on if told_on is None else told_on,
        epoch=latest.epoch,
        told_on=told_on,
        told_epoch=told.epoch if told else None,
        asked_on=wanted,
        requested_at=latest.requested_at,
        requested_by_name=latest.requested_by_name,
        tries_failed=latest.failures,
        next_try_seconds=None if wait is None else max(0, round(wait)),
    )


def _doubt(aspect: Aspect, known: Standing, told: schemas.Controls, scope: Scope, floor: int) -> Doubt | None:
    if told.epoch > known.latest_epoch:
        return "higher"
    if told.epoch < floor:
        return "lower"
    if told.epoch < known.confirmed_epoch:
        return None
    if told_value(told, scope).of(aspect) != _confirmed(known, scope).of(aspect):
        return "differs"
    if not told.in_effect and told.epoch <= known.confirmed_epoch:
        # Above it lies a change of other settings that is still on its way; this one is the same in both.
        return "not_in_effect"
    return None
