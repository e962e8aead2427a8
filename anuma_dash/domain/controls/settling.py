"""Settling a change: it is sent, and sent again, until the gateway says that it is in effect."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain import control_notices
from anuma_dash.domain.accounts import telling_of
from anuma_dash.domain.controls.catalogue import CONTROLS
from anuma_dash.domain.controls.changes import chain_of, repeat_change, what_of
from anuma_dash.domain.controls.models import ControlChange, latest_change
from anuma_dash.domain.controls.scopes import says_the_same
from anuma_dash.errors import GatewayError, GatewayRefused
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, lock_account
from anuma_dash.workflows import Context, Kind

LEASE_POLL = timedelta(seconds=2)


def settle_change(context: Context, change_id: UUID, attempt: int) -> None:
    """Send a pending change once and note what came of it. Does nothing if it was superseded or is already settled."""
    with context.db.reading() as tx:
        change = tx.get(ControlChange, change_id)
    if change is None or change.attempt != attempt or change.outcome != "pending":
        return
    try:
        requested, account_id = requested_body(change), change.account_id
        answer = telling_of(context, account_id, lambda: context.gateway.put_controls(WORKER, account_id, requested))
    except GatewayRefused as error:
        _note_refusal(context, change, attempt, error)
    except GatewayError as error:
        _note_failure(context, change_id, attempt, str(error))
    else:
        _note_answer(context, change_id, attempt, answer)


def requested_body(change: ControlChange) -> schemas.RequestedControls:
    """The whole requested state as it is sent; the same for the same epoch, whenever it is sent."""
    return schemas.RequestedControls.model_validate({"epoch": change.epoch, **change.state})


def _note_answer(context: Context, change_id: UUID, attempt: int, answer: schemas.Controls) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        change = workflows.claim(tx, ControlChange, change_id, attempt)
        if change is None:
            return
        if not obeys(answer, change):
            workflows.retry(change, now, "The gateway's answer is about other settings than those that were sent.")
            return
        if not answer.in_effect or answer.in_effect_at is None:
            workflows.wait(change, now, LEASE_POLL)
            return
        change.outcome = "in_effect"
        change.in_effect_at = answer.in_effect_at
        change.confirmed_at = now
        change.last_try_at = now
        workflows.finish(change)
        record(
            tx,
            WORKER,
            Event.CONTROL_IN_EFFECT,
            at=now,
            account_id=chain_of(change),
            control=what_of(change),
            level=change.level,
            target_id=change.target_id,
            new=change.new_value,
            epoch=change.epoch,
            in_effect_at=answer.in_effect_at,
        )
        _tell_members(tx, context, change, answer.in_effect_at, now)


def _tell_members(tx: Session, context: Context, change: ControlChange, in_effect_at: datetime, now: datetime) -> None:
    """Who belongs to the account hears that a control is on; not again if it was on before, and was only sent anew."""
    if change.level != "account" or change.aspect != "switch":
        return
    before = tx.scalar(
        owned(ControlChange, change.account_id)
        .where(
            ControlChange.level == "account",
            ControlChange.aspect == "switch",
            ControlChange.control == change.control,
            ControlChange.outcome == "in_effect",
            ControlChange.epoch < change.epoch,
        )
        .order_by(ControlChange.epoch.desc())
        .limit(1)
    )
    if not change.enabled:
        control_notices.withdraw(tx, change.account_id, change.control, now)
    elif before is None or not before.enabled:
        control_notices.tell_members(
            tx,
            context.settings,
            account_id=change.account_id,
            change_id=change.id,
            control=change.control,
            label=CONTROLS[change.control].label,
            description=CONTROLS[change.control].description,
            by=change.requested_by_name,
            in_effect_at=in_effect_at,
            now=now,
        )


def obeys(answer: schemas.Controls, change: ControlChange) -> bool:
    """Whether the gateway's answer is about this very change: its epoch and every value, at every level.

    The answer must be one to the service itself, which holds what every person chose.
    """
    return answer.epoch == change.epoch and says_the_same(answer, change.state)


def _note_failure(context: Context, change_id: UUID, attempt: int, failure: str) -> None:
    with context.db.transaction(durable=True) as tx:
        change = workflows.claim(tx, ControlChange, change_id, attempt)
        if change is not None:
            workflows.retry(change, context.clock(), failure)


def _note_refusal(context: Context, change: ControlChange, attempt: int, error: GatewayRefused) -> None:
    stored_epoch = error.problem.get("stored_epoch")
    if error.status != 409 or not isinstance(stored_epoch, int):
        _note_failure(context, change.id, attempt, f"The gateway refused: {error}")
        return
    _ask_again_above(context, change.account_id, stored_epoch, change.id)


def _ask_again_above(context: Context, account_id: UUID, gateway_epoch: int, change_id: UUID) -> None:
    # The gateway holds an epoch we never sent (a backup was restored): what we asked for is asked again above it.
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        latest = latest_change(tx, account_id)
        if latest is not None and latest.id == change_id:
            again = repeat_change(tx, WORKER, latest, gateway_epoch, now)
            again.next_try_at = now


CONTROL_CHANGE = Kind("control_change", ControlChange, settle_change)
