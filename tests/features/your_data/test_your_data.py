"""What is held about a person, category by category, with their own numbers."""

from __future__ import annotations

import pytest

from anuma_dash.domain.data_register import CATEGORIES, SESSIONS_KEPT, fields_of
from anuma_dash.identity import SignUpRequest
from anuma_dash.mail import Mail
from tests.examples import make_belongings

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def test_dev_reads_what_is_held_with_the_numbers_of_dev_alone(world):
    make_belongings(world)
    world.start_session(world.dev)
    world.start_session(world.ada)
    with world.db.transaction() as tx:
        email, now = world.dev.email.upper(), world.clock.now
        tx.add(SignUpRequest(email=email, state="approved", created_at=now, decided_at=now))
    page = world.browser(world.dev).visit("/").follow("What is held")

    assert page.heading == "Your data"
    said = {one.name: page.one(f"#category-{one.name.replace('_', '-')}").text for one in CATEGORIES}
    assert "1 user" in said["profile"]
    assert "1 connected provider" in said["sign_in"]
    assert "1 passkey" in said["sign_in"]
    assert "3 sessions" in said["sessions"]
    assert f"{SESSIONS_KEPT.days} days after the session was last seen" in said["sessions"]
    assert "1 entry" in said["sign_up"]
    assert "1 deletion" in said["asked_for"]
    assert "1 test of a data control" in said["asked_for"]
    assert "1 notice" in said["control_notices"]
    assert "the file for 24 hours" in said["exports"]
    assert "nothing now" in said["suspensions"]
    assert "nothing now" in said["staff_work"]
    assert "1 message" in said["mail"]
    assert [row.letter for row in world.rows(Mail, user_id=world.dev.id)] == ["control_switched_on"]
    assert "2 requests in Northwind Labs" in said["request_metadata"]
    assert "2 requests in Northwind Labs" in said["request_content"], "Dev's own, and that of the test"
    for one in CATEGORIES:
        text = said[one.name]
        assert one.purpose in text
        assert one.source in text
        assert one.basis in text
        assert one.recipients in text
        assert all(field in text for field in fields_of(one.name)), one.name


@ONE_ENGINE
class TestThisSession:
    def test_device_address_and_what_is_known_of_pages(self, world):
        page = world.browser(world.vera).visit("/your-data")

        said = page.one("#this-session").text
        for words in ("Firefox on Linux", "127.0.0.1", "Sandbox", "Not kept in the database"):
            assert words in said

    def test_staff_read_that_what_they_open_as_staff_is_kept(self, world):
        for person, works_here in ((world.vera, False), (world.sam, True)):
            said = world.browser(person).visit("/your-data").one("#this-session").text
            assert ("except what you open as staff" in said) == works_here

    def test_the_periods_are_those_of_the_settings(self, world):
        world.restart(session_absolute_days=30, session_idle_days=120, activity_detail_days=45)
        page = world.browser(world.vera).visit("/your-data")

        assert "for 30 days at the longest" in page.one("#category-cookies").text
        assert "120 days after" in page.one("#category-sessions").text, "never shorter than it may be idle"
        assert "the details for 45 days" in page.one("#category-activity").text


@ONE_ENGINE
class TestTheGateway:
    def test_when_it_is_away_the_page_says_so_and_shows_the_rest(self, world):
        page = world.browser(world.vera).visit("/your-data")
        assert "0 requests in Northwind Labs" in page.one("#category-request-metadata").text
        world.break_gateway()
        page.reload()

        assert page.status == 200
        assert "The gateway's numbers are missing" in page.text
        assert "requests in Northwind" not in page.text
        assert "1 session" in page.one("#category-sessions").text
        assert "Request metadata" in page.text

    def test_try_again_brings_the_numbers(self, world):
        world.break_gateway()
        page = world.browser(world.vera, htmx=True).visit("/your-data")
        world.mend_gateway()
        page.follow("Try again")

        assert "The gateway's numbers are missing" not in page.text
        assert "0 requests in Northwind Labs" in page.one("#category-request-metadata").text
        assert page.one("h1").text == "Your data", "the rest of the page stays"

    def test_it_is_asked_once_and_not_at_all_for_somebody_without_an_account(self, world):
        calls = []
        world.gateway._http.event_hooks = {"request": [lambda request: calls.append(request.url.path)]}
        try:
            world.browser(world.vera).visit("/your-data")
            assert len(calls) == 1
            page = world.browser(world.sam).visit("/your-data")
        finally:
            world.gateway._http.event_hooks = {}
        assert len(calls) == 1
        assert "1 role" in page.one("#category-staff").text

    def test_only_pages_that_one_may_open_are_offered(self, world):
        assert world.browser(world.dev).visit("/your-data").one("#category-api-keys a").text == "API keys"
        assert not world.browser(world.bill).visit("/your-data").select("#category-api-keys a")
