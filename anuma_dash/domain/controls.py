"""Controls: the state a person requested, the state the gateway confirmed, and never one shown as the other.

A change is stored with the next epoch, committed, sent, and sent again until the gateway says that it is in effect
(GATEWAY.md, *In effect*). Every requested state is whole: the same epoch always bears the same body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.domain import control_notices
from anuma_dash.domain.accounts import telling_of
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.errors import Conflict, GatewayError, GatewayRefused, Invalid, NotFound
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Actor, Permission, lock_account
from anuma_dash.workflows import Context, Durable, Kind

DEFAULT_RETENTION_DAYS = 30
LEASE_POLL = timedelta(seconds=2)


@dataclass(frozen=True)
class Control:
    """A data-storage switch: its name in the API, its path, its words.

    `subject` is what may still be stored while a change is under way ("prompts"), `item` one stored thing, `category`
    the inventory's name for them.
    """

    name: schemas.ControlName
    slug: str
    label: str
    description: str
    subject: str
    item: str
    category: str


CONTROLS: Mapping[str, Control] = {
    "prompt_logging": Control(
        name="prompt_logging",
        slug="prompt-logging",
        label="Prompt logging",
        description="Keeps the prompt and the response of each API request, so that you can read them in the request "
        "log.",
        subject="prompts",
        item="stored request",
        category="request_content",
    ),
}


def find_control(slug: str) -> Control:
    """The control with this path. Raises `NotFound`."""
    for control in CONTROLS.values():
        if control.slug == slug:
            return control
    raise NotFound("There is no such control.")


class ControlChange(Owned, Durable, Base):
    """One requested state of an account's controls.

    `outcome` is pending, in_effect (the gateway said so), superseded (a later request came before it was
    acknowledged) or overtaken (the gateway holds an epoch that is not ours).
    """

    __tablename__ = "control_changes"
    __table_args__ = (UniqueConstraint("account_id", "epoch"),)

    epoch: Mapped[int]
    control: Mapped[str] = mapped_column(String(30))
    old_enabled: Mapped[bool]
    enabled: Mapped[bool]
    state: Mapped[dict[str, Any]] = mapped_column(JSON)
    disclosure_version: Mapped[int | None]
    disclosure_sha256: Mapped[str | None] = mapped_column(String(64))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_by_name: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16), default="pending")
    in_effect_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    kept_at: Mapped[datetime | None]


def latest_change(tx: Session, account_id: UUID) -> ControlChange | None:
    """The account's last requested state."""
    return tx.scalar(owned(ControlChange, account_id).order_by(ControlChange.epoch.desc()).limit(1))


def last_confirmed(tx: Session, account_id: UUID) -> ControlChange | None:
    """The last requested state that the gateway said is in effect."""
    return tx.scalar(
        owned(ControlChange, account_id)
        .where(ControlChange.outcome == "in_effect")
        .order_by(ControlChange.epoch.desc())
        .limit(1)
    )


@dataclass(frozen=True)
class Standing:
    """What this side knows of an account's controls.

    `latest` is the last requested state, `confirmed` the last one that the gateway said is in effect. `unsettled` names
    the controls that were asked to change after it: for these, nobody here knows what the gateway obeys right now.
    `changes` holds the last confirmed change of each control.
    """

    latest: ControlChange | None
    confirmed: ControlChange | None
    unsettled: frozenset[str]
    changes: Mapping[str, ControlChange]

    @property
    def confirmed_epoch(self) -> int:
        """The last confirmed epoch; 0 is the state of a new account."""
        return self.confirmed.epoch if self.confirmed else 0

    @property
    def latest_epoch(self) -> int:
        """The last requested epoch."""
        return self.latest.epoch if self.latest else 0


def standing(tx: Session, account_id: UUID) -> Standing:
    """What this side knows of an account's controls, read in one transaction."""
    latest, confirmed = latest_change(tx, account_id), last_confirmed(tx, account_id)
    later = select(ControlChange.control).where(
        ControlChange.account_id == account_id, ControlChange.epoch > (confirmed.epoch if confirmed else 0)
    )
    settled = (
        select(func.max(ControlChange.epoch))
        .where(ControlChange.account_id == account_id, ControlChange.outcome == "in_effect")
        .group_by(ControlChange.control)
    )
    changes = tx.scalars(owned(ControlChange, account_id).where(ControlChange.epoch.in_(settled)))
    return Standing(
        latest=latest,
        confirmed=confirmed,
        unsettled=frozenset(tx.scalars(later.distinct())),
        changes={change.control: change for change in changes},
    )


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
            change = _new_change(latest, actor, account_id, control, enabled, now)
            if enabled:
                _accept(change, control, accepted_sha256)
            _supersede(tx, actor, latest, now)
            tx.add(change)
            _record_request(tx, actor, change, now)
    settle_change(context, change.id, change.attempt)
    with context.db.reading() as tx:
        return tx.get_one(ControlChange, change.id)


def _new_change(
    latest: ControlChange | None, actor: Actor, account_id: UUID, control: Control, enabled: bool, now: datetime
) -> ControlChange:
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
        new=_word(latest.enabled),
        epoch=latest.epoch,
    )


def _record_request(tx: Session, actor: Actor, change: ControlChange, now: datetime) -> None:
    record(
        tx,
        actor,
        Event.CONTROL_REQUESTED,
        at=now,
        account_id=change.account_id,
        control=CONTROLS[change.control].label,
        old=_word(change.old_enabled),
        new=_word(change.enabled),
        epoch=change.epoch,
        disclosure_version=change.disclosure_version,
        disclosure_sha256=change.disclosure_sha256,
    )


def _word(enabled: bool) -> str:
    return "on" if enabled else "off"


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
    return schemas.RequestedControls.model_validate({"epoch": change.epoch, "controls": change.state})


def _note_answer(context: Context, change_id: UUID, attempt: int, answer: schemas.Controls) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        change = workflows.claim(tx, ControlChange, change_id, attempt)
        if change is None:
            return
        if not _obeys(answer, change):
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
            account_id=change.account_id,
            control=CONTROLS[change.control].label,
            new=_word(change.enabled),
            epoch=change.epoch,
            in_effect_at=answer.in_effect_at,
        )
        _tell_members(tx, context, change, answer.in_effect_at, now)


def _tell_members(tx: Session, context: Context, change: ControlChange, in_effect_at: datetime, now: datetime) -> None:
    """Who belongs to the account hears that a control is on; not again if it was on before, and was only sent anew."""
    before = tx.scalar(
        owned(ControlChange, change.account_id)
        .where(
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


def _obeys(answer: schemas.Controls, change: ControlChange) -> bool:
    told = {name: setting.enabled for name, setting in answer.controls.items()}
    return answer.epoch == change.epoch and told == {name: row["enabled"] for name, row in change.state.items()}


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
            again = _repeat(tx, WORKER, latest, gateway_epoch, now)
            again.next_try_at = now


def _repeat(tx: Session, actor: Actor, latest: ControlChange, gateway_epoch: int, now: datetime) -> ControlChange:
    if latest.outcome == "pending":
        latest.outcome = "overtaken"
        workflows.finish(latest)
    again = _new_change(latest, actor, latest.account_id, CONTROLS[latest.control], latest.enabled, now)
    again.epoch = max(latest.epoch, gateway_epoch) + 1
    again.old_enabled = latest.old_enabled
    again.disclosure_version, again.disclosure_sha256 = latest.disclosure_version, latest.disclosure_sha256
    again.requested_by, again.requested_by_name = latest.requested_by, latest.requested_by_name
    again.kept_at = latest.kept_at
    tx.add(again)
    _record_request(tx, actor, again, now)
    return again


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
        obeyed = told.in_effect and _obeys(told, present)
        if present.id == latest.id and present.outcome == "in_effect" and not obeyed:
            change = _repeat(tx, actor, present, told.epoch, now)
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


CONTROL_CHANGE = Kind("control_change", ControlChange, settle_change)
