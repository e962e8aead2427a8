"""The page of the data controls, and testing a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.controls import (
    CONTROLS,
    PERSONAL,
    Accepted,
    Control,
    ControlChange,
    ControlState,
    Scope,
    Standing,
    Told,
    accepted_text,
    control_state,
    find_control,
    own_scope,
    setting_state,
    standing,
    told_setting,
)
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.errors import GatewayError, GatewayRefused, GatewayUnavailable, Invalid, NotFound
from anuma_dash.features.data_controls.models import ControlTest
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.workflows import Context

TESTS_SHOWN = 3


@dataclass(frozen=True)
class Place:
    """A switch on the page: a control of the account, or the reader's own switch of a personal one."""

    control: Control
    own: bool = False

    @property
    def slug(self) -> str:
        """Its path."""
        return f"own-{self.control.slug}" if self.own else self.control.slug

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"Your {self.control.label.lower()}" if self.own else self.control.label

    @property
    def description(self) -> str:
        """What it does."""
        return self.control.own if self.own else self.control.description

    def scope(self, actor: Actor) -> Scope:
        """Whom it is about."""
        return own_scope(actor, self.control) if self.own else Scope(self.control.name)


def find_place(slug: str) -> Place:
    """The switch with this path. Raises `NotFound`."""
    place = Place(find_control(slug.removeprefix("own-")), slug.startswith("own-"))
    if place.own and not place.control.personal:
        raise NotFound("There is no such control.")
    return place


@dataclass(frozen=True)
class ControlLine:
    """One switch as the page draws it.

    `change` is the confirmed change that made the present value, if its word and the gateway's agree on which it was;
    `accepted` the text that was accepted for what is on; `stored` the inventory of what the control stored. All of them
    are None where nothing true can be said. `period` and `people` have states of their own.
    """

    place: Place
    state: ControlState
    period: Told
    people: Told
    evidence: schemas.Evidence | None
    change: ControlChange | None
    accepted: Accepted | None
    text_changed: bool
    stored: schemas.InventoryRow | None
    kept_at: datetime | None
    asks_about_stored: bool
    contradicted: bool

    @property
    def control(self) -> Control:
        """The control."""
        return self.place.control

    @property
    def may_be_chosen(self) -> bool:
        """Whether the reader may switch their own on: no, while the account forbids it or is about to."""
        asked = self.people.asked or self.people.value
        return not (self.place.own and (self.people.value.forbidden or asked.forbidden))


@dataclass(frozen=True)
class DataControls:
    """The whole page. `told` is None if the gateway cannot be asked; `problem` then says why."""

    lines: Sequence[ControlLine]
    told: schemas.DataState | None
    problem: str
    tests: Sequence[ControlTest]

    @property
    def groups(self) -> list[tuple[str, str, list[ControlLine]]]:
        """The account's switches and, apart, the reader's own: identifier, title, lines."""
        account = [line for line in self.lines if not line.place.own]
        own = [line for line in self.lines if line.place.own]
        return [("storage", "Storage", account)] + ([("own", "Yours alone", own)] if own else [])

    @property
    def keys(self) -> list[schemas.Key]:
        """The keys that a test can be made with."""
        return [key for key in self.told.keys if key.state == "active"] if self.told else []

    def line(self, place: Place) -> ControlLine:
        """One switch's line."""
        return next(line for line in self.lines if line.place == place)


def places_of(actor: Actor) -> list[Place]:
    """The switches that somebody sees. In a support session nothing personal is seen."""
    places = [Place(control) for control in CONTROLS.values()]
    if actor.support_session_id is None and actor.user_id is not None:
        places += [Place(control, own=True) for control in PERSONAL]
    return places


def read_controls(context: Context, actor: Actor, account_id: UUID) -> DataControls:
    """Everything that the page shows, with one call to the gateway. Raises `NotAllowed`."""
    actor.require(Permission.READ_CONTROLS)
    with context.db.reading() as tx:
        floor = standing(tx, account_id).confirmed_epoch
    told, problem = ask_data_state(context, actor, account_id)
    places = places_of(actor)
    # Read after the gateway has answered: see `control_state`.
    with context.db.reading() as tx:
        known = standing(tx, account_id)
        tests = _last_tests(tx, account_id)
        accepted = {place: accepted_text(tx, account_id, place.scope(actor)) for place in places}
    now = context.clock()
    lines = [_line(actor, place, known, told, floor, accepted[place], now) for place in places]
    return DataControls(lines, told, problem, tests)


def ask_data_state(context: Context, actor: Actor, account_id: UUID) -> tuple[schemas.DataState | None, str]:
    """What the gateway says of the account's data; without an answer, None and why."""
    try:
        return context.gateway.data_state(actor, account_id), ""
    except GatewayRefused as error:
        if error.status == 404:
            return None, "The gateway does not know this account. The next change you make here tells it."
        return None, str(error)
    except GatewayError as error:
        return None, str(error)


def _line(
    actor: Actor,
    place: Place,
    known: Standing,
    told: schemas.DataState | None,
    floor: int,
    accepted: Accepted | None,
    now: datetime,
) -> ControlLine:
    control, scope, account_scope = place.control, place.scope(actor), Scope(place.control.name)
    obeyed = told.controls if told else None
    state = control_state(scope, known, obeyed, floor, now)
    setting = told_setting(obeyed, scope) if obeyed and state.settled else None
    change = known.changes.get(scope)
    current = change if change and state.settled and change.enabled == state.stands_on else None
    since_epoch = setting.since_epoch if setting else 0
    fresh = state.settled and since_epoch == (current.epoch if current else 0)
    evidence = _evidence(told, place) if fresh else None
    stored = _stored(told, place)
    some_left = state.name == "off" and current is not None and stored is not None and stored.count > 0
    holds = accepted if state.stands_on and state.name != "unknown" else None
    return ControlLine(
        place=place,
        state=state,
        period=setting_state("retention", scope, known, obeyed, floor),
        people=setting_state("people", account_scope, known, obeyed, floor),
        evidence=evidence,
        change=current if fresh else None,
        accepted=holds,
        text_changed=bool(holds and holds.version < current_disclosure(control.name).version),
        stored=stored,
        kept_at=current.kept_at if current and some_left else None,
        asks_about_stored=bool(some_left and current and current.kept_at is None),
        contradicted=bool(state.name == "off" and evidence and evidence.stored_content),
    )


def _evidence(told: schemas.DataState | None, place: Place) -> schemas.Evidence | None:
    # Of a personal control the gateway's evidence is about the caller's own keys and value.
    if told is None or place.own != place.control.personal:
        return None
    return next((row for row in told.evidence if row.control == place.control.name), None)


def _stored(told: schemas.DataState | None, place: Place) -> schemas.InventoryRow | None:
    if told is None:
        return None
    owner = "me" if place.own else "account"
    rows = told.inventory.rows
    return next((row for row in rows if row.category == place.control.category and row.owner == owner), None)


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
    key, found = _run_test(context, actor, account_id, control, key_id, token)
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
    context: Context, actor: Actor, account_id: UUID, control: Control, key_id: UUID, token: UUID
) -> tuple[schemas.Key, schemas.Canary]:
    try:
        key = context.gateway.key(actor, account_id, key_id)
        new_canary = schemas.NewCanary(key_id=key_id, control=control.name)
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
