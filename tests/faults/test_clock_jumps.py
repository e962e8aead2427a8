"""The clock jumps ten minutes ahead, or back: nothing outlives its limit, nothing freezes.

The dashboard's clock is the world's, which stands where the test puts it. Wherever a time lies in the future, it was
written before the clock jumped back.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash.db import new_id
from anuma_dash.domain.controls import ControlChange
from anuma_dash.domain.data_register import EXPORTS_KEPT
from anuma_dash.domain.invitations import Invitation
from anuma_dash.domain.support import SupportGrant
from anuma_dash.features import schedules, watch_clock
from anuma_dash.features.activity.export import request_export
from anuma_dash.features.activity.models import ActivityExport
from anuma_dash.features.people.invitations import invite
from anuma_dash.identity import Role
from tests.faults.conftest import sqlite_only
from tests.features.data_controls.steps import switch
from tests.features.support_access.steps import ask, let_in

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


def test_what_ends_at_a_time_does_not_last_longer_by_a_jump_back(world):
    """Measured by a clock that does not jump, each ends when it would have ended, or a little earlier."""
    context, olive = world.services.context, world.olive.actor
    watch_clock(context)
    invitation = invite(context, olive, world.northwind, email="new@invited.example", role=Role.VIEWER)
    grant = let_in(world, hours=1)
    question = ask(world)
    export = request_export(context, olive, world.northwind, "csv", {}, "UTC", token=new_id())
    world.run_worker()
    world.clock.now += timedelta(minutes=30)
    watch_clock(context)

    world.clock.now -= JUMP
    watch_clock(context)
    watch_clock(context)

    (shortened,) = world.rows(Invitation)
    assert shortened.expires_at == invitation.expires_at - JUMP
    kept = {row.id: row for row in world.rows(SupportGrant)}
    assert kept[grant.id].expires_at == grant.expires_at - JUMP
    assert kept[question.id].answer_until == question.answer_until - JUMP
    (file,) = world.rows(ActivityExport)
    assert file.expires_at == export.requested_at + EXPORTS_KEPT - JUMP
    world.clock.now += timedelta(minutes=30)
    page = world.browser(world.olive).visit("/support-access")
    assert "Nothing is granted" in page.text, "half an hour before the jump and half an hour after it are one"


def test_steps_of_seconds_other_hosts_and_a_clock_ahead_shorten_nothing(world):
    context = world.services.context
    invitation = invite(context, world.olive.actor, world.northwind, email="new@invited.example", role=Role.VIEWER)
    watch_clock(context, "one")
    for host, step in (("one", JUMP), ("one", -timedelta(seconds=5)), ("two", -JUMP), ("two", JUMP)):
        world.clock.now += step
        watch_clock(context, host)
    (row,) = world.rows(Invitation)
    assert row.expires_at == invitation.expires_at


def test_the_worker_looks_at_the_clock(world):
    names = [schedule.name for schedule in schedules() if schedule.run is watch_clock]
    assert names == ["clock"]


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
