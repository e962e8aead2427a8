"""The clock jumps ten minutes ahead, or back: nothing outlives its limit by more than the jump, nothing freezes.

The dashboard's clock is the world's, which stands where the test puts it. Wherever a time lies in the future, it was
written before the clock jumped back.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash.domain.controls import ControlChange
from tests.faults.conftest import sqlite_only
from tests.features.data_controls.steps import switch

pytestmark = sqlite_only
JUMP = timedelta(minutes=10)


@pytest.mark.parametrize("jump", [JUMP, -JUMP], ids=["ahead", "back"])
def test_a_session_ends_at_its_limit_by_the_clock_as_it_is(world, jump):
    browser = world.browser(world.olive)
    world.clock.now += jump
    assert signed_in(browser), "ten minutes end no session"
    world.clock.now += timedelta(days=world.settings.session_idle_days, minutes=11)
    assert not signed_in(browser)


def test_a_session_never_outlives_its_absolute_limit_though_the_clock_jumped_back(world):
    browser = world.browser(world.olive)
    began = world.clock.now
    world.clock.now -= JUMP
    step = timedelta(days=world.settings.session_idle_days - 1)
    while world.clock.now + step < began + timedelta(days=world.settings.session_absolute_days):
        world.clock.now += step
        assert signed_in(browser)
    world.clock.now = began + timedelta(days=world.settings.session_absolute_days, seconds=1)
    assert not signed_in(browser)


def test_a_sign_in_that_lies_in_the_future_is_not_fresh(world):
    """Else a clock that was ten minutes ahead would leave twenty minutes of freshness."""
    world.clock.now += JUMP
    browser = world.browser(world.olive)
    assert browser.request("GET", "/keys/new").status_code == 200
    world.clock.now -= JUMP
    assert asks_who_it_is(browser.request("GET", "/keys/new"))


def test_a_jump_ahead_asks_again_instead_of_trusting(world):
    browser = world.browser(world.olive)
    world.clock.now += JUMP + timedelta(seconds=1)
    assert asks_who_it_is(browser.request("GET", "/keys/new"))


def signed_in(browser) -> bool:
    return "Sign out" in browser.request("GET", "/").text


def asks_who_it_is(answer) -> bool:
    return answer.status_code == 303 and "reauthentication" in answer.headers["Location"]


@pytest.mark.parametrize("jump", [JUMP, -JUMP], ids=["ahead", "back"])
def test_an_unconfirmed_change_goes_on_within_a_minute(world, jump):
    world.break_gateway()
    switch(world, world.olive, enabled=True)
    world.run_worker(seconds=40)
    world.clock.now += jump
    world.mend_gateway()
    world.run_worker(seconds=61)
    (change,) = world.rows(ControlChange)
    assert change.outcome == "in_effect"
    page = world.browser(world.olive).visit("/data-controls")
    assert page.one("#prompt-logging-state").text == "On"
