"""How long sessions live: the limits on both sides, for customers and staff, whatever the clock does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, event

from anuma_dash.identity import StaffMember, StaffRole
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
SECOND = timedelta(seconds=1)


def is_signed_in(browser):
    return browser.visit("/").heading != "Sign in"


def give_role(world, person, role=StaffRole.SUPPORT):
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=person.id, role=role.value, created_at=world.clock.now))


def take_roles(world, person):
    with world.db.transaction() as tx:
        tx.execute(delete(StaffMember).where(StaffMember.user_id == person.id))


@pytest.mark.parametrize(
    ("name", "idle"),
    [
        *(("sam", timedelta(minutes=30)), ("pria", timedelta(minutes=30)), ("ines", timedelta(minutes=30))),
        ("olive", timedelta(days=14)),
    ],
)
def test_a_session_that_nobody_uses_ends_on_the_second(world, name, idle):
    used, idle_one = world.browser(world.people[name]), world.browser(world.people[name])
    world.clock.now += idle - SECOND
    assert is_signed_in(used)
    world.clock.now += SECOND

    assert is_signed_in(used)
    assert not is_signed_in(idle_one)


@pytest.mark.parametrize(
    ("name", "absolute", "step"),
    [("sam", timedelta(hours=20), timedelta(minutes=29)), ("olive", timedelta(days=90), timedelta(days=13))],
)
def test_a_busy_session_ends_on_the_second_too(world, name, absolute, step):
    browser, began = world.browser(world.people[name]), world.clock.now
    while world.clock.now + step < began + absolute - SECOND:
        world.clock.now += step
        assert is_signed_in(browser)
    world.clock.now = began + absolute - SECOND
    assert is_signed_in(browser)

    world.clock.now += SECOND
    assert not is_signed_in(browser)


def test_who_becomes_staff_in_the_middle_has_the_limits_of_staff_at_once(world):
    idle, long_ago = world.browser(world.vera), world.browser(world.dev)
    world.clock.advance(minutes=31)
    assert is_signed_in(world.browser(world.vera))
    give_role(world, world.vera)
    assert not is_signed_in(idle)

    for _ in range(2):
        world.clock.advance(hours=10)
        assert is_signed_in(long_ago)
    give_role(world, world.dev)
    assert not is_signed_in(long_ago)


def test_who_is_no_longer_staff_has_the_limits_of_customers_again(world):
    browser = world.browser(world.sam)
    world.clock.advance(minutes=31)
    take_roles(world, world.sam)

    assert is_signed_in(browser)


def test_the_page_and_the_cookie_know_of_the_limits(world):
    ends = world.browser(world.sam).visit("/sessions").table("Signed in now")[0]["Ends"]
    assert f"{world.clock.now + timedelta(minutes=30):%H:%M:%S}" in ends
    assert f"{world.clock.now + timedelta(hours=20):%H:%M:%S}" in ends
    for person, seconds in ((world.sam, 20 * 3600), (world.olive, 90 * 86400)):
        token = world.start_session(person)[1]
        with world.db.reading() as tx:
            assert sessions.lifetime(tx, world.settings, token) == timedelta(seconds=seconds)


def test_a_session_and_its_limits_are_found_in_one_query(world):
    token = world.start_session(world.sam)[1]
    seen = []
    event.listen(world.db.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    with world.db.reading() as tx:
        assert sessions.find_session(tx, world.settings, token, world.clock.now)

    assert len([one for one in seen if one.startswith("SELECT")]) == 1


class TestClocks:
    """Decision 032: a clock that is set back lengthens no life of a session that is in use."""

    def test_set_back_while_the_session_is_used_it_ends_earlier_by_as_much(self, world):
        browser, began = world.browser(world.sam), world.clock.now
        world.clock.advance(minutes=20)
        assert is_signed_in(browser)
        world.clock.advance(minutes=-10)
        assert is_signed_in(browser)
        (row,) = world.rows(BrowserSession)
        assert (row.set_back_seconds, row.last_seen_at) == (600, world.clock.now)

        while world.clock.now + timedelta(minutes=29) < began + timedelta(hours=19, minutes=50):
            world.clock.advance(minutes=29)
            assert is_signed_in(browser)
        world.clock.now = began + timedelta(hours=19, minutes=50) - SECOND
        assert is_signed_in(browser)
        world.clock.now += SECOND
        assert not is_signed_in(browser), "20 hours have passed, whatever the clock says"

    def test_the_idle_time_begins_anew_with_the_request_and_not_with_the_time_in_the_future(self, world):
        browser = world.browser(world.sam)
        world.clock.advance(minutes=-10)
        assert is_signed_in(browser)
        world.clock.advance(minutes=30)
        assert not is_signed_in(browser)

    def test_it_is_counted_once_however_many_requests_come(self, world):
        browser = world.browser(world.sam)
        world.clock.advance(minutes=-10)
        for _ in range(3):
            browser.visit("/")

        assert world.rows(BrowserSession)[0].set_back_seconds == 600

    def test_clocks_of_two_hosts_may_differ_by_a_little(self, world):
        browser = world.browser(world.olive)
        world.clock.advance(seconds=-5)
        assert is_signed_in(browser)

        assert world.rows(BrowserSession)[0].set_back_seconds == 0

    def test_a_jump_ahead_ends_what_is_past_its_limit_then(self, world):
        browser = world.browser(world.sam)
        world.clock.advance(minutes=40)
        assert not is_signed_in(browser)
