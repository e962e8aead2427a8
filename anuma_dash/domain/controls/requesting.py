"""What people ask for: a control on or off, their settings once more, to keep what is stored."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.domain.controls.catalogue import CONTROLS, Control
from anuma_dash.domain.controls.changes import new_change, record_request, repeat_change, word
from anuma_dash.domain.controls.models import ControlChange, latest_change, standing
from anuma_dash.domain.controls.settling import obeys, settle_change
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.errors import Conflict, Invalid
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.workflows import Context


def request_control(
    context: Context,
    actor: Actor,
    account_id: UUID,
    control: Control,
    *,
    enabled: bool,
    accepted_sha256: str | None = None,
) -> ControlChange:
    """Ask for a control to be on or off, and try to bring it into effect at once.

    `accepted_sha256` is the hash of the disclosure that the person accepted; it must be the current one to switch on.
    Asking for what was already asked for makes no new change: one that is still under way is sent once more.
    Returns the change as it stands after the first try. Raises `NotAllowed`, `Invalid`.
    """
    actor.require(Permission.CHANGE_CONTROLS)
    if enabled:
        actor.require(Permission.SWITCH_ON)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        latest = latest_change(tx, account_id)
        if latest is not None and latest.state[control.name]["enabled"] == enabled:
            change = latest
        else:
            change = new_change(latest, actor, account_id, control, enabled, now)
            if enabled:
                _accept(change, control, accepted_sha256)
            _supersede(tx, actor, latest, now)
            tx.add(change)
            record_request(tx, actor, change, now)
    settle_change(context, change.id, change.attempt)
    with context.db.reading() as tx:
        return tx.get_one(ControlChange, change.id)


def _accept(change: ControlChange, control: Control, accepted_sha256: str | None) -> None:
    disclosure = current_disclosure(control.name)
    if accepted_sha256 is None:
        raise Invalid("Tick the box to say that you have read what will be stored.", field="accepted")
    if accepted_sha256 != disclosure.sha256:
        raise Invalid("The text has changed since you opened it. Please read it again.", field="accepted")
    change.disclosure_version, change.disclosure_sha256 = disclosure.version, disclosure.sha256


def _supersede(tx: Session, actor: Actor, latest: ControlChange | None, now: datetime) -> None:
    if latest is None or latest.outcome != "pending":
        return
    latest.outcome = "superseded"
    workflows.finish(latest)
    record(
        tx,
        actor,
        Event.CONTROL_SUPERSEDED,
        at=now,
        account_id=latest.account_id,
        control=CONTROLS[latest.control].label,
        new=word(latest.enabled),
        epoch=latest.epoch,
    )


def ask_again(context: Context, actor: Actor, account_id: UUID) -> ControlChange:
    """Send our last requested state once more, above an epoch that the gateway reports and that is not ours.

    Does nothing but send again if the last request is still under way, or if the gateway obeys it after all. Raises
    `NotAllowed`, `Conflict` if nothing was ever requested, `GatewayError` if the gateway cannot say its epoch.
    """
    actor.require(Permission.CHANGE_CONTROLS)
    with context.db.reading() as tx:
        latest = latest_change(tx, account_id)
    if latest is None:
        raise Conflict("There is no earlier choice of yours to send again. Choose what you want.")
    if latest.enabled:
        actor.require(Permission.SWITCH_ON)
    told = context.gateway.data_state(actor, account_id).controls
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        present = latest_change(tx, account_id)
        assert present is not None
        change = present
        obeyed = told.in_effect and obeys(told, present)
        if present.id == latest.id and present.outcome == "in_effect" and not obeyed:
            change = repeat_change(tx, actor, present, told.epoch, now)
    settle_change(context, change.id, change.attempt)
    with context.db.reading() as tx:
        return tx.get_one(ControlChange, change.id)


def keep_stored_items(context: Context, actor: Actor, account_id: UUID, control: Control, count: int) -> None:
    """Record that what was stored is to stay after the control was switched off. `count` is how many items were shown.

    Raises `NotAllowed`, `Conflict` if the control is not off.
    """
    actor.require(Permission.CHANGE_CONTROLS)
    now = context.clock()
    with context.db.transaction() as tx:
        lock_account(tx, account_id)
        known = standing(tx, account_id)
        change = known.changes.get(control.name)
        if change is None or change.enabled or control.name in known.unsettled:
            never = change is None and control.name not in known.unsettled
            raise Conflict(f"{control.label} was never on." if never else f"{control.label} is not confirmed as off.")
        if change.kept_at is not None:
            return
        change.kept_at = now
        record(
            tx,
            actor,
            Event.STORED_ITEMS_KEPT,
            at=now,
            account_id=account_id,
            control=control.label,
            count=count,
        )
