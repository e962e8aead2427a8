"""What may be said of a control, for everything that can be known and everything that the gateway can say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from anuma_dash.db import new_id
from anuma_dash.domain.controls import ControlChange, ControlState, Scope, Standing, control_state
from anuma_dash.domain.controls.scopes import initial_state
from anuma_dash.gateway import schemas

NOW = datetime(2026, 11, 22, 10, 14, 40, tzinfo=UTC)
LOGGING = Scope("prompt_logging")
NAMES = ("prompt_logging", "chat_history", "traces", "evaluations", "memories")


def change(epoch: int, enabled: bool, outcome: str, *, control: str = "prompt_logging", **more: Any) -> ControlChange:
    state = initial_state()
    state["controls"]["prompt_logging"]["enabled"] = more.pop("logging", enabled)
    state["controls"][control]["enabled"] = enabled
    values: dict[str, Any] = {"failures": 0, "next_try_at": None} | more
    return ControlChange(
        id=new_id(),
        epoch=epoch,
        control=control,
        level="account",
        aspect="switch",
        enabled=enabled,
        state=state,
        outcome=outcome,
        requested_at=NOW - timedelta(seconds=10),
        requested_by_name="Olive Lindqvist",
        confirmed_at=NOW - timedelta(seconds=5) if outcome == "in_effect" else None,
        in_effect_at=NOW - timedelta(seconds=6) if outcome == "in_effect" else None,
        **values,
    )


def told(epoch: int, enabled: bool, *, in_effect: bool = True, **controls: bool) -> schemas.Controls:
    values = dict.fromkeys(NAMES, False) | {"prompt_logging": enabled} | controls
    return schemas.Controls.model_validate(
        {
            "epoch": epoch,
            "body_hash": "0" * 64,
            "applied_at": NOW,
            "in_effect": in_effect,
            "in_effect_at": NOW if in_effect else None,
            "controls": {
                name: {"enabled": on, "retention_days": 30, "since": NOW, "since_epoch": epoch}
                for name, on in values.items()
            },
        }
    )


def standing(confirmed: ControlChange | None, *later: ControlChange) -> Standing:
    latest = later[-1] if later else confirmed
    unsettled = frozenset((one.scope, "switch") for one in later)
    return Standing(latest, confirmed, unsettled, {confirmed.scope: confirmed} if confirmed else {})


def state(known: Standing, answer: schemas.Controls | None, floor: int | None = None) -> ControlState:
    return control_state(LOGGING, known, answer, known.confirmed_epoch if floor is None else floor, NOW)


@pytest.mark.parametrize("enabled", [False, True])
def test_confirmed_and_said_now_is_what_it_is(enabled: bool) -> None:
    found = state(standing(change(4, enabled, "in_effect")), told(4, enabled))
    assert found.name == ("on" if enabled else "off")
    assert (found.stands_on, found.since, found.epoch, found.settled) == (enabled, NOW, 4, True)


def test_a_new_account_is_off_on_the_gateways_word() -> None:
    found = state(standing(None), told(0, False))
    assert (found.name, found.since, found.epoch) == ("off", NOW, 0)


@pytest.mark.parametrize("wanted", [False, True])
@pytest.mark.parametrize("answer", [None, told(4, False), told(4, True), told(5, False), told(5, True), told(9, False)])
def test_a_change_on_its_way_is_never_a_fact(wanted: bool, answer: schemas.Controls | None) -> None:
    known = standing(change(4, not wanted, "in_effect"), change(5, wanted, "pending"))
    found = state(known, answer)
    assert found.name == ("turning_on" if wanted else "turning_off")
    assert found.pending
    assert not found.settled
    assert found.since is None
    # The switch stands where the gateway last confirmed it: what it says now, else what it confirmed to us.
    assert found.stands_on == (answer.controls["prompt_logging"].enabled if answer else not wanted)
    assert found.requested_at == NOW - timedelta(seconds=10)


def test_tries_and_the_next_one_come_from_the_row() -> None:
    waiting = change(5, False, "pending", failures=3, next_try_at=NOW + timedelta(seconds=4))
    found = state(standing(change(4, True, "in_effect"), waiting), None)
    assert (found.tries_failed, found.next_try_seconds) == (3, 4)
    under_way = change(5, False, "pending", failures=0, next_try_at=NOW + timedelta(seconds=20))
    assert state(standing(None, under_way), None).next_try_seconds is None


def test_a_change_that_was_taken_back_is_still_a_change_on_its_way() -> None:
    # "On" was sent and its answer lost; "off" followed. The gateway may have either.
    known = standing(change(4, False, "in_effect"), change(5, True, "superseded"), change(6, False, "pending"))
    assert state(known, None).name == "turning_off"
    assert state(known, told(5, True)).name == "turning_off"
    assert state(known, told(5, True)).stands_on is True
    assert state(known, told(4, False)).name == "turning_off"


def test_another_controls_change_leaves_this_one_alone() -> None:
    other = change(5, True, "pending", control="memories", logging=False)
    known = standing(change(4, False, "in_effect"), other)
    assert state(known, told(4, False)).name == "off"
    assert state(known, told(5, False, memories=True)).name == "off"
    assert state(known, told(5, False, in_effect=False, memories=True)).name == "off"
    assert state(known, told(4, False, in_effect=False)).doubt == "not_in_effect"
    assert state(known, None).name == "last_known"


def test_but_not_if_this_one_was_asked_to_change_before_it() -> None:
    known = standing(
        change(4, False, "in_effect"),
        change(5, True, "superseded"),
        change(6, False, "superseded"),
        change(7, True, "pending", control="memories", logging=False),
    )
    assert state(known, told(4, False)).name == "turning_off"


@pytest.mark.parametrize("enabled", [False, True])
def test_without_the_gateway_only_the_last_known_is_said(enabled: bool) -> None:
    found = state(standing(change(4, enabled, "in_effect")), None)
    assert (found.name, found.stands_on) == ("last_known", enabled)
    assert found.confirmed_at == NOW - timedelta(seconds=5)
    assert found.since is None


def test_without_the_gateway_a_new_account_is_not_known() -> None:
    found = state(standing(None), None)
    assert (found.name, found.stands_on, found.confirmed_at) == ("last_known", None, None)


@pytest.mark.parametrize(
    ("known", "answer", "doubt"),
    [
        (standing(change(4, False, "in_effect")), told(9, False), "higher"),
        (standing(change(4, False, "in_effect")), told(9, True), "higher"),
        (standing(None), told(1, False), "higher"),
        (standing(change(4, False, "in_effect")), told(3, False), "lower"),
        (standing(change(4, False, "in_effect")), told(0, False), "lower"),
        (standing(change(4, False, "in_effect")), told(4, True), "differs"),
        (standing(None), told(0, True), "differs"),
        (standing(change(4, False, "in_effect")), told(4, False, in_effect=False), "not_in_effect"),
    ],
)
def test_a_gateway_that_obeys_something_else_is_unknown(known: Standing, answer: schemas.Controls, doubt: str) -> None:
    found = state(known, answer)
    assert (found.name, found.doubt) == ("unknown", doubt)
    assert found.told_epoch == answer.epoch
    assert found.told_on == answer.controls["prompt_logging"].enabled
    assert found.asked_on == (known.latest.enabled if known.latest else None)
    assert found.since is None


def test_what_was_confirmed_while_the_gateway_was_asked_is_not_lost() -> None:
    # Asked at version 4; version 5 was confirmed in another tab before the answer was read.
    found = state(standing(change(5, False, "in_effect")), told(4, True), floor=4)
    assert (found.name, found.epoch, found.since) == ("off", 5, NOW - timedelta(seconds=6))
    assert state(standing(change(5, False, "in_effect")), told(3, True), floor=4).doubt == "lower"


ANSWERS = [None] + [told(e, on, in_effect=sure) for e, on, sure in product(range(6), (False, True), (False, True))]
HISTORIES = [
    standing(confirmed, *later)
    for confirmed in (None, change(3, False, "in_effect"), change(3, True, "in_effect"))
    for later in (
        [],
        [change(4, False, "pending")],
        [change(4, True, "pending")],
        [change(4, True, "superseded"), change(5, False, "pending")],
        [change(4, False, "superseded"), change(5, True, "pending")],
    )
]


@pytest.mark.parametrize("behind", [0, 1])
def test_off_and_on_are_said_only_of_what_the_gateway_says(behind: int) -> None:
    for known, answer in product(HISTORIES, ANSWERS):
        floor = max(0, known.confirmed_epoch - behind)
        found = state(known, answer, floor)
        assert found.name in ("off", "on", "turning_on", "turning_off", "unknown", "last_known")
        assert found.pending == (known.latest is not known.confirmed)
        if answer is None:
            assert found.pending or found.name == "last_known"
        if not found.settled:
            assert found.since is None
            continue
        assert answer is not None
        assert known.latest is known.confirmed
        assert (known.confirmed.enabled if known.confirmed else False) == (found.name == "on")
        if answer.epoch == known.confirmed_epoch:
            assert answer.in_effect
            assert answer.controls["prompt_logging"].enabled == (found.name == "on")
        else:
            assert floor <= answer.epoch < known.confirmed_epoch
