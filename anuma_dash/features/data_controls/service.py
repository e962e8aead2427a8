"""The page of the data controls, and testing a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.controls import CONTROLS, Control, ControlChange, ControlState, Standing, control_state, standing
from anuma_dash.errors import GatewayError, GatewayRefused, GatewayUnavailable, Invalid, NotFound
from anuma_dash.features.data_controls.models import ControlTest
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.workflows import Context

TESTS_SHOWN = 3


@dataclass(frozen=True)
class ControlLine:
    """One control as the page draws it.

    `change` is the confirmed change that made the present value, if its word and the gateway's agree on which it was;
    `accepted` the one whose disclosure holds; `stored` the inventory of what the control stored. All of them are None
    where nothing true can be said.
    """

    control: Control
    state: ControlState
    setting: schemas.ControlInEffect | None
    evidence: schemas.Evidence | None
    change: ControlChange | None
    accepted: ControlChange | None
    stored: schemas.InventoryRow | None
    kept_at: datetime | None
    asks_about_stored: bool
    contradicted: bool


@dataclass(frozen=True)
class DataControls:
    """The whole page. `told` is None if the gateway cannot be asked; `problem` then says why."""

    lines: Sequence[ControlLine]
    told: schemas.DataState | None
    problem: str
    tests: Sequence[ControlTest]

    @property
    def keys(self) -> list[schemas.Key]:
        """The keys that a test can be made with."""
        return [key for key in self.told.keys if key.state == "active"] if self.told else []

    def line(self, control: Control) -> ControlLine:
        """One control's line."""
        return next(line for line in self.lines if line.control is control)


def read_controls(context: Context, actor: Actor, account_id: UUID) -> DataControls:
    """Everything that the page shows, with one call to the gateway. Raises `NotAllowed`."""
    actor.require(Permission.READ_CONTROLS)
    with context.db.reading() as tx:
        floor = standing(tx, account_id).confirmed_epoch
    told, problem = _ask(context, actor, account_id)
    # Read after the gateway has answered: see `control_state`.
    with context.db.reading() as tx:
        known = standing(tx, account_id)
        tests = _last_tests(tx, account_id)
    now = context.clock()
    lines = [_line(control, known, told, floor, now) for control in CONTROLS.values()]
    return DataControls(lines, told, problem, tests)


def _ask(context: Context, actor: Actor, account_id: UUID) -> tuple[schemas.DataState | None, str]:
    try:
        return context.gateway.data_state(actor, account_id), ""
    except GatewayRefused as error:
        if error.status == 404:
            return None, "The gateway does not know this account. The next change you make here tells it."
        return None, str(error)
    except GatewayError as error:
        return None, str(error)


def _line(control: Control, known: Standing, told: schemas.DataState | None, floor: int, now: datetime) -> ControlLine:
    state = control_state(control, known, told.controls if told else None, floor, now)
    setting = told.controls.controls.get(control.name) if told and state.settled else None
    change = known.changes.get(control.name)
    current = change if change and state.settled and change.enabled == state.stands_on else None
    fresh = setting is not None and setting.since_epoch == (current.epoch if current else 0)
    evidence = next((row for row in told.evidence if row.control == control.name), None) if told and fresh else None
    stored = next((row for row in told.inventory.rows if row.category == control.category), None) if told else None
    some_left = state.name == "off" and current is not None and stored is not None and stored.count > 0
    return ControlLine(
        control=control,
        state=state,
        setting=setting,
        evidence=evidence,
        change=current if fresh else None,
        accepted=current if current and current.enabled and current.disclosure_version else None,
        stored=stored,
        kept_at=current.kept_at if current and some_left else None,
        asks_about_stored=bool(some_left and current and current.kept_at is None),
        contradicted=bool(state.name == "off" and evidence and evidence.stored_content),
    )


def _last_tests(tx: Session, account_id: UUID) -> list[ControlTest]:
    return list(tx.scalars(owned(ControlTest, account_id).order_by(ControlTest.id.desc()).limit(TESTS_SHOWN)))


def find_test(context: Context, actor: Actor, account_id: UUID, test_id: UUID) -> ControlTest:
    """One test of the account. Raises `NotAllowed`, `NotFound`."""
    actor.require(Permission.READ_CONTROLS)
    with context.db.reading() as tx:
        test = tx.scalar(owned(ControlTest, account_id).where(ControlTest.id == test_id))
    if test is None:
        raise NotFound("There is no such test.")
    return test


def test_control(
    context: Context, actor: Actor, account_id: UUID, control: Control, *, key_id: UUID, token: UUID
) -> ControlTest:
    """Have the gateway test a control under a key, and keep what it found.

    `token` comes from the form: sending the form twice tests once. Raises `NotAllowed`, `Invalid` for a key that the
    gateway does not accept, `GatewayRefused` with the code `canary_too_soon` (one a minute), `GatewayUnavailable`.
    """
    actor.require(Permission.CHANGE_CONTROLS)
    with context.db.reading() as tx:
        existing = tx.get(ControlTest, token)
    if existing is not None:
        return find_test(context, actor, account_id, token)
    key, found = _run_test(context, actor, account_id, key_id, token)
    now = context.clock()
    with context.db.transaction() as tx:
        lock_account(tx, account_id)
        raced = tx.scalar(owned(ControlTest, account_id).where(ControlTest.id == token))
        if raced is not None:
            return raced
        test = ControlTest(
            id=token,
            account_id=account_id,
            control=control.name,
            key_name=key.name[:100],
            tested_by=actor.user_id,
            tested_by_name=actor.name,
            tested_at=now,
            report=found.model_dump(mode="json"),
        )
        tx.add(test)
        record(
            tx,
            actor,
            Event.CONTROL_TESTED,
            at=now,
            account_id=account_id,
            control=control.label,
            result=verdict(found),
            request_id=found.request_id,
            epoch=found.epoch,
        )
    return test


def _run_test(
    context: Context, actor: Actor, account_id: UUID, key_id: UUID, token: UUID
) -> tuple[schemas.Key, schemas.Canary]:
    try:
        key = context.gateway.key(actor, account_id, key_id)
        new_canary = schemas.NewCanary(key_id=key_id)
        return key, context.gateway.test_control(actor, account_id, new_canary, str(token))
    except GatewayRefused as error:
        if error.status in (404, 409, 422):
            raise Invalid("That key cannot be used any more. Choose another one.", field="key_id") from None
        raise
    except GatewayUnavailable:
        raise GatewayUnavailable(
            "The gateway does not answer, so there is no result. Nothing was recorded, and your settings stand as they "
            "were."
        ) from None


def verdict(found: schemas.Canary) -> str:
    """The result of a test in a few words. Anything that did not pass says what was wrong."""
    if not all(scan.control_found for scan in found.scans) or not found.scans:
        return "inconclusive, the search did not prove itself"
    if any(scan.test_found for scan in found.scans):
        return "failed, the test string was found unencrypted"
    if found.readable and not found.expected:
        return "failed, content was stored although it must not be"
    if found.expected and not found.readable:
        return "failed, content was not stored although it must be"
    if not found.passed:
        return "failed, by the gateway's own word"
    return "as it must be, stored and encrypted" if found.readable else "as it must be, nothing stored"
