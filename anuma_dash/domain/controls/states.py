"""What may be said about a control: from what was asked, what was confirmed, and what the gateway says right now.

Nothing here reads a database, a gateway or a clock. `off` and `on` come only from a gateway that says, now, that it
obeys the settings which it confirmed to us; every doubt has a state of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from anuma_dash.domain.controls.catalogue import Control
from anuma_dash.domain.controls.models import ControlChange, Standing
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


def control_state(
    control: Control, known: Standing, told: schemas.Controls | None, floor: int, now: datetime
) -> ControlState:
    """The state of a control.

    `known` must be read after the gateway was asked (an epoch above ours is then a stranger's, not another tab's), and
    `floor` is the confirmed epoch as it stood before (an epoch below that was lost, not overtaken while it was asked).
    `told` is None if the gateway cannot be asked.
    """
    setting = told.controls.get(control.name) if told else None
    confirmed_on = known.confirmed.state[control.name]["enabled"] if known.confirmed else None
    latest = known.latest
    if latest is not None and latest.outcome != "in_effect" and control.name in known.unsettled:
        return _turning(control, latest, told, bool(confirmed_on), now)
    if told is None or setting is None:
        at = known.confirmed.confirmed_at if known.confirmed else None
        return ControlState("last_known", confirmed_on, epoch=known.confirmed_epoch, confirmed_at=at)
    doubt = _doubt(known, told, setting.enabled, bool(confirmed_on), floor)
    if doubt:
        return ControlState(
            "unknown",
            confirmed_on,
            epoch=known.latest_epoch,
            doubt=doubt,
            told_on=setting.enabled,
            told_epoch=told.epoch,
            asked_on=latest.state[control.name]["enabled"] if latest else None,
        )
    if told.epoch < known.confirmed_epoch:
        # It was confirmed while the gateway was being asked: its answer is the older one.
        change = known.changes.get(control.name)
        since, epoch = change.in_effect_at if change else None, known.confirmed_epoch
        return ControlState("on" if confirmed_on else "off", confirmed_on, epoch=epoch, since=since)
    name: StateName = "on" if setting.enabled else "off"
    return ControlState(name, setting.enabled, epoch=told.epoch, since=setting.since)


def _turning(
    control: Control, latest: ControlChange, told: schemas.Controls | None, confirmed_on: bool, now: datetime
) -> ControlState:
    setting = told.controls.get(control.name) if told else None
    wanted = latest.state[control.name]["enabled"]
    wait = (latest.next_try_at - now).total_seconds() if latest.next_try_at and latest.failures else None
    return ControlState(
        "turning_on" if wanted else "turning_off",
        setting.enabled if setting else confirmed_on,
        epoch=latest.epoch,
        told_on=setting.enabled if setting else None,
        told_epoch=told.epoch if told else None,
        asked_on=wanted,
        requested_at=latest.requested_at,
        requested_by_name=latest.requested_by_name,
        tries_failed=latest.failures,
        next_try_seconds=None if wait is None else max(0, round(wait)),
    )


def _doubt(known: Standing, told: schemas.Controls, told_on: bool, confirmed_on: bool, floor: int) -> Doubt | None:
    if told.epoch > known.latest_epoch:
        return "higher"
    if told.epoch < floor:
        return "lower"
    if told.epoch < known.confirmed_epoch:
        return None
    if told_on != confirmed_on:
        return "differs"
    if not told.in_effect and told.epoch <= known.confirmed_epoch:
        # Above it lies a change of other controls that is still on its way; this one is the same in both.
        return "not_in_effect"
    return None
