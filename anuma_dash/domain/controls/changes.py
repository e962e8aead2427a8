"""Making a change: the next epoch and the whole state that it bears."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.controls.catalogue import CONTROLS, Control
from anuma_dash.domain.controls.models import ControlChange
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor

DEFAULT_RETENTION_DAYS = 30


def new_change(
    latest: ControlChange | None, actor: Actor, account_id: UUID, control: Control, enabled: bool, now: datetime
) -> ControlChange:
    """The next change of an account: its latest state with this control changed, under the next epoch, due at once."""
    state = dict(latest.state) if latest else _initial_state()
    old_enabled = bool(state[control.name]["enabled"])
    state[control.name] = {"enabled": enabled, "retention_days": state[control.name]["retention_days"]}
    change = ControlChange(
        id=new_id(),
        account_id=account_id,
        epoch=(latest.epoch if latest else 0) + 1,
        control=control.name,
        old_enabled=old_enabled,
        enabled=enabled,
        state=state,
        requested_by=actor.user_id,
        requested_by_name=actor.name,
        requested_at=now,
    )
    workflows.start_now(change, now)
    return change


def _initial_state() -> dict[str, Any]:
    names = cast(tuple[str, ...], schemas.ControlName.__args__)  # type: ignore[attr-defined]
    return {name: {"enabled": False, "retention_days": DEFAULT_RETENTION_DAYS} for name in names}


def repeat_change(tx: Session, actor: Actor, latest: ControlChange, gateway_epoch: int, now: datetime) -> ControlChange:
    """The last requested state once more, above an epoch that is not ours; the person who asked stays the same."""
    if latest.outcome == "pending":
        latest.outcome = "overtaken"
        workflows.finish(latest)
    again = new_change(latest, actor, latest.account_id, CONTROLS[latest.control], latest.enabled, now)
    again.epoch = max(latest.epoch, gateway_epoch) + 1
    again.old_enabled = latest.old_enabled
    again.disclosure_version, again.disclosure_sha256 = latest.disclosure_version, latest.disclosure_sha256
    again.requested_by, again.requested_by_name = latest.requested_by, latest.requested_by_name
    again.kept_at = latest.kept_at
    tx.add(again)
    record_request(tx, actor, again, now)
    return again


def record_request(tx: Session, actor: Actor, change: ControlChange, now: datetime) -> None:
    """Record that a change was asked for."""
    record(
        tx,
        actor,
        Event.CONTROL_REQUESTED,
        at=now,
        account_id=change.account_id,
        control=CONTROLS[change.control].label,
        old=word(change.old_enabled),
        new=word(change.enabled),
        epoch=change.epoch,
        disclosure_version=change.disclosure_version,
        disclosure_sha256=change.disclosure_sha256,
    )


def word(enabled: bool) -> str:
    """A control's value in the activity."""
    return "on" if enabled else "off"
