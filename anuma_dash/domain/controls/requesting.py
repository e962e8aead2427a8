"""What people ask for: a control on or off, its period, stricter rules, their settings once more, to keep items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.domain.controls.accepting import check_acceptance, must_accept_first
from anuma_dash.domain.controls.catalogue import CONTROLS, Control
from anuma_dash.domain.controls.changes import (
    Wish,
    chain_of,
    new_change,
    present_value,
    record_request,
    repeat_change,
    what_of,
)
from anuma_dash.domain.controls.models import ControlChange, latest_change, standing
from anuma_dash.domain.controls.scopes import PERIODS, Scope, is_longer
from anuma_dash.domain.controls.settling import obeys, settle_change
from anuma_dash.errors import Conflict, Invalid, NotAllowed
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Actor, Permission, lock_account
from anuma_dash.workflows import Context


def request_control(
    context: Context,
    actor: Actor,
    account_id: UUID,
    control: Control,
    *,
    enabled: bool,
    accepted_sha256: str | None = None,
    own: bool = False,
) -> ControlChange:
    """Ask for a control to be on or off, and try to bring it into effect at once.

    `accepted_sha256` is the hash of the disclosure that the person accepted; it must be the current one to switch on.
    `own` is the person's own switch of a personal control. Asking for what was already asked for makes no new change:
    one that is still under way is sent once more. Returns the change as it stands after the first try. Raises
    `NotAllowed`, `Invalid`, `Conflict` if the account forbids people to switch it on.
    """
    scope = own_scope(actor, control) if own else Scope(control.name)
    _require(actor, scope, Permission.SWITCH_ON if enabled else None)

    def wish(tx: Session, latest: ControlChange | None) -> Wish:
        if enabled and own and present_value(latest, Scope(control.name)).forbidden:
            raise Conflict(f"The account does not let people switch {control.label.lower()} on.")
        return Wish(scope, "switch", replace(present_value(latest, scope), enabled=enabled))

    return _request(context, actor, account_id, wish, accepted_sha256, accepting=enabled)


def request_period(
    context: Context,
    actor: Actor,
    account_id: UUID,
    control: Control,
    days: int | None,
    *,
    own: bool = False,
) -> ControlChange:
    """Ask for another period, in days (None: until deleted); see `request_control`.

    Raises `Invalid` for a period that cannot be chosen, and `AcceptFirst` for a longer one while only an older text was
    accepted.
    """
    if days not in PERIODS:
        raise Invalid("Choose one of the periods.", field="days")
    scope = own_scope(actor, control) if own else Scope(control.name)
    _require(actor, scope, None)

    def wish(tx: Session, latest: ControlChange | None) -> Wish:
        present = present_value(latest, scope)
        if is_longer(days, present.retention_days):
            must_accept_first(tx, account_id, scope, f"Keeping {control.subject} longer")
        return Wish(scope, "retention", replace(present, retention_days=days))

    return _request(context, actor, account_id, wish, None, accepting=False)


def request_own_choice(
    context: Context, actor: Actor, account_id: UUID, control: Control, *, forbidden: bool
) -> ControlChange:
    """Ask that people may, or may not, switch a personal control on for themselves; see `request_control`."""
    if not control.personal:
        raise Invalid(f"{control.label} belongs to the account; there is nothing for people to choose.")
    scope = Scope(control.name)
    _require(actor, scope, None if forbidden else Permission.SWITCH_ON)

    def wish(tx: Session, latest: ControlChange | None) -> Wish:
        return Wish(scope, "people", replace(present_value(latest, scope), forbidden=forbidden))

    return _request(context, actor, account_id, wish, None, accepting=False)


def request_rule(
    context: Context,
    actor: Actor,
    account_id: UUID,
    control: Control,
    target: schemas.App | schemas.Key,
    *,
    off: bool,
) -> ControlChange:
    """Ask that an app or a key, as the gateway gave it, never stores under a control, or as the account has it.

    See `request_control`. Taking a rule away stores more, so it raises `AcceptFirst` where the account accepted only an
    older text.
    """
    is_key = isinstance(target, schemas.Key)
    scope = Scope(control.name, "key" if is_key else "app", target.id)
    made_with = tuple(target.made_without) if isinstance(target, schemas.Key) else ()
    _require(actor, scope, None if off else Permission.SWITCH_ON)

    def wish(tx: Session, latest: ControlChange | None) -> Wish:
        present = present_value(latest, scope, made_with)
        if not off and not present.enabled:
            must_accept_first(tx, account_id, Scope(control.name), f"Storing {control.subject} of more keys")
        return Wish(scope, "switch", replace(present, enabled=not off), target.name, made_with)

    return _request(context, actor, account_id, wish, None, accepting=False)


def own_scope(actor: Actor, control: Control) -> Scope:
    """The actor's own switch of a personal control. Raises `Invalid` for a control that is the account's."""
    if not control.personal or actor.user_id is None:
        raise Invalid(f"{control.label} belongs to the account.")
    return Scope(control.name, "person", actor.user_id)


def _require(actor: Actor, scope: Scope, more: Permission | None) -> None:
    if scope.level == "person":
        actor.require(Permission.CHANGE_OWN_CONTROLS)
        if scope.target_id != actor.user_id:
            raise NotAllowed("This is somebody else's own choice.")
        return
    actor.require(Permission.CHANGE_CONTROLS)
    if more is not None:
        actor.require(more)


def _request(
    context: Context,
    actor: Actor,
    account_id: UUID,
    wish_of: Callable[[Session, ControlChange | None], Wish],
    accepted_sha256: str | None,
    *,
    accepting: bool,
) -> ControlChange:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        latest = latest_change(tx, account_id)
        wish = wish_of(tx, latest)
        present = present_value(latest, wish.scope, wish.made_with)
        if latest is not None and present.of(wish.aspect) == wish.value.of(wish.aspect):
            change = latest
        else:
            change = new_change(latest, actor, account_id, wish, now)
            if accepting:
                accepted = check_acceptance(wish.scope.control, accepted_sha256)
                change.disclosure_version, change.disclosure_sha256 = accepted.version, accepted.sha256
            _supersede(tx, actor, latest, now)
            tx.add(change)
            record_request(tx, actor, change, now)
    settle_change(context, change.id, change.attempt)
    with context.db.reading() as tx:
        return tx.get_one(ControlChange, change.id)


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
        account_id=chain_of(latest),
        control=what_of(latest),
        level=latest.level,
        target_id=latest.target_id,
        new=latest.new_value,
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
    if any(setting["enabled"] for setting in latest.state["controls"].values()):
        actor.require(Permission.SWITCH_ON)
    # Asked for the service itself: an answer to a person leaves out what others chose for themselves.
    told = context.gateway.data_state(WORKER, account_id).controls
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


def keep_stored_items(
    context: Context, actor: Actor, account_id: UUID, control: Control, count: int, *, own: bool = False
) -> None:
    """Record that what was stored is to stay after the control was switched off. `count` is how many items were shown.

    Raises `NotAllowed`, `Conflict` if the control is not off.
    """
    scope = own_scope(actor, control) if own else Scope(control.name)
    _require(actor, scope, None)
    now = context.clock()
    with context.db.transaction() as tx:
        lock_account(tx, account_id)
        known = standing(tx, account_id)
        change, unsettled = known.changes.get(scope), (scope, "switch") in known.unsettled
        if change is None or change.enabled or unsettled:
            never = change is None and not unsettled
            raise Conflict(f"{control.label} was never on." if never else f"{control.label} is not confirmed as off.")
        if change.kept_at is not None:
            return
        change.kept_at = now
        record(
            tx,
            actor,
            Event.STORED_ITEMS_KEPT,
            at=now,
            account_id=chain_of(change),
            control=CONTROLS[change.control].label,
            count=count,
        )
