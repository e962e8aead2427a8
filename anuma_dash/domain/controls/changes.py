"""Making a change: the next epoch and the whole state that it bears."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.controls.catalogue import CONTROLS
from anuma_dash.domain.controls.models import ControlChange
from anuma_dash.domain.controls.scopes import Aspect, Scope, Value, initial_state, value_in, with_value
from anuma_dash.identity import Actor


@dataclass(frozen=True)
class Wish:
    """One aspect of a control that is to change at a scope.

    `value` is the whole setting after it. `target_name` is the name of the app or key, and `made_with` what the key was
    made stricter in.
    """

    scope: Scope
    aspect: Aspect
    value: Value
    target_name: str = ""
    made_with: Iterable[str] = ()


def present_value(latest: ControlChange | None, scope: Scope, made_with: Iterable[str] = ()) -> Value:
    """What was asked for last at a scope. A key that no state names is as it was made."""
    state = latest.state if latest else initial_state()
    if scope.level == "key" and str(scope.target_id) not in state["keys"]:
        return Value(enabled=scope.control not in set(made_with))
    return value_in(state, scope)


def new_change(
    latest: ControlChange | None, actor: Actor, account_id: UUID, wish: Wish, now: datetime
) -> ControlChange:
    """The next change of an account: its latest state with one setting changed, under the next epoch, due at once."""
    old = present_value(latest, wish.scope, wish.made_with)
    change = ControlChange(
        id=new_id(),
        account_id=account_id,
        epoch=(latest.epoch if latest else 0) + 1,
        control=wish.scope.control,
        level=wish.scope.level,
        target_id=wish.scope.target_id,
        target_name=wish.target_name[:100],
        aspect=wish.aspect,
        old_value=old.word(wish.aspect),
        new_value=wish.value.word(wish.aspect),
        old_enabled=old.enabled,
        enabled=wish.value.enabled,
        state=with_value(latest.state if latest else initial_state(), wish.scope, wish.value, wish.made_with),
        requested_by=actor.user_id,
        requested_by_name=actor.name,
        requested_at=now,
    )
    workflows.start_now(change, now)
    return change


_REPEATED = (
    *("account_id", "control", "level", "target_id", "target_name", "aspect", "old_value", "new_value", "old_enabled"),
    *("enabled", "state", "disclosure_version", "disclosure_sha256", "requested_by", "requested_by_name", "kept_at"),
)


def repeat_change(tx: Session, actor: Actor, latest: ControlChange, gateway_epoch: int, now: datetime) -> ControlChange:
    """The last requested state once more, above an epoch that is not ours; the person who asked stays the same."""
    if latest.outcome == "pending":
        latest.outcome = "overtaken"
        workflows.finish(latest)
    again = ControlChange(id=new_id(), **{name: getattr(latest, name) for name in _REPEATED})
    again.epoch, again.requested_at = max(latest.epoch, gateway_epoch) + 1, now
    workflows.start_now(again, now)
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
        account_id=chain_of(change),
        control=what_of(change),
        level=change.level,
        target_id=change.target_id,
        old=change.old_value,
        new=change.new_value,
        epoch=change.epoch,
        disclosure_version=change.disclosure_version,
        disclosure_sha256=change.disclosure_sha256,
    )


def chain_of(change: ControlChange) -> UUID | None:
    """The account whose activity a change is in; what people choose for themselves is in none."""
    return None if change.level == "person" else change.account_id


def what_of(change: ControlChange) -> str:
    """What was changed, in words: "Prompt logging", "the period of Traces", "Prompt logging of the key ci"."""
    label = CONTROLS[change.control].label
    if change.aspect == "people":
        return f"{label} of people"
    what = f"the period of {label}" if change.aspect == "retention" else label
    if change.level in ("app", "key"):
        return f"{what} of the {change.level} {change.target_name}"
    return f"{what} for themselves" if change.level == "person" else what
