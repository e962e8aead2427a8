"""Where a person is signed in: the list, ending one session, ending all others."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.identity import User
from anuma_dash.web.sessions import BrowserSession, Device, Draft, end_session, keep_draft, start_session
from anuma_dash.web.state import client_place
from tests.browser import Browser
from tests.test_sessions import change

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": "http://localhost:8000/keys"}


def start(world, person, device="Safari on iPhone", address="203.0.113.9", place=""):
    """Another session of this person, in another device."""
    with world.db.transaction() as tx:
        return start_session(
            tx,
            world.settings,
            user=tx.get_one(User, person.id),
            account_id=person.account_id,
            provider="sandbox",
            issuer=person.issuer,
            subject=person.subject,
            device=Device(device, address, place),
            authenticated_at=world.clock.now,
            now=world.clock.now,
        )


def browser_of(world, token, app=None):
    browser = Browser(app or world.app, world.settings.public_url)
    browser.set_cookie(world.session_cookie, token)
    return browser


def is_signed_in(browser):
    return browser.visit("/").heading != "Sign in"


def events(world):
    return [entry.event for entry in world.rows(AuditEntry, chain=world.northwind)]


def test_olive_ends_the_session_in_a_phone_and_it_is_signed_out_on_every_worker(world, browse):
    session, token = start(world, world.olive)
    phones = [browser_of(world, token), browser_of(world, token, world.new_app())]
    assert all(map(is_signed_in, phones))
    world.clock.advance(minutes=3)
    page = browse(world.olive).visit("/").follow("Sessions")
    here, there = page.table("Signed in now")
    assert here["Device"] == "Firefox on Linux this session"
    assert (there["Device"], there["Address"], there["Last seen"]) == ("Safari on iPhone", "203.0.113.9", "3 min ago")
    assert "through Sandbox" in there["Signed in"]
    assert "if it is not used; at the latest" in there["Ends"]

    page.follow(page.one(f"#end-{session.id}").text)
    assert "API keys go on working" in page.text
    assert all(map(is_signed_in, phones)), "nothing has happened yet"
    page.submit("End the session")

    assert "ended" in page.text.lower()
    assert not any(map(is_signed_in, phones))
    assert events(world)[-1] == "session.ended_elsewhere"
    page.visit("/sessions")
    assert [row["Device"] for row in page.table("Signed in now")] == ["Firefox on Linux this session"]
    (ended,) = page.table("Ended sessions")
    assert (ended["Device"], ended["How"]) == ("Safari on iPhone", "You ended it from another session")
    assert "ended their session in Safari on iPhone" in page.visit("/activity").text


def test_olive_ends_all_others_and_keeps_this_one(world, browse):
    others = [browser_of(world, start(world, world.olive, device)[1]) for device in ("Edge on Windows", "A browser")]
    adas = world.browser(world.ada)
    page = browse(world.olive).visit("/sessions").follow("End all others")
    assert page.heading == "End all other sessions"
    assert "2 sessions will be signed out" in page.text
    assert "Edge on Windows, 203.0.113.9" in page.text
    page.submit("End 2 sessions")

    assert "2 other sessions have ended. This one goes on." in page.text
    assert not any(map(is_signed_in, others))
    assert is_signed_in(page)
    assert is_signed_in(adas)
    assert "ended 2 other sessions of their own" in page.visit("/activity").text
    assert not page.visit("/sessions").offers("End all others")


@ONE_ENGINE
class TestEnding:
    def test_an_htmx_request_of_an_ended_session_leaves_for_the_sign_in_page(self, world):
        session, token = start(world, world.olive)
        phone = browser_of(world, token)
        page = world.browser(world.olive).visit(f"/sessions/{session.id}/ending")
        page.submit("End the session")

        answer = phone.request("GET", "/keys", headers=HTMX)
        assert (answer.status_code, answer.text) == (200, "")
        assert answer.headers["HX-Redirect"] == "/sign-in?next=/keys"

    def test_it_takes_a_fresh_confirmation(self, world):
        session, token = start(world, world.olive)
        phone, page = browser_of(world, token), world.browser(world.olive)
        form = {"csrf_token": page.visit("/sessions").csrf_token()}
        world.clock.advance(minutes=11)
        for path in (f"/sessions/{session.id}/ending", "/sessions/others/ending"):
            assert page.visit(path).heading == "Confirm that it is you"
            answer = page.request("POST", path, data=form)
            assert answer.headers["Location"].startswith("/sign-in/reauthentication")
        assert is_signed_in(phone)

    def test_somebody_elses_session_does_not_exist_nor_does_one_that_never_was(self, world):
        theirs, token = start(world, world.ada)
        page = world.browser(world.olive).visit("/sessions")
        form = {"csrf_token": page.csrf_token()}
        for session_id in (theirs.id, new_id()):
            for path in (f"/sessions/{session_id}", f"/sessions/{session_id}/ending"):
                assert page.request("GET", path).status_code == 404
            assert page.request("POST", f"/sessions/{session_id}/ending", data=form).status_code == 404
        assert is_signed_in(browser_of(world, token))

    def test_ending_twice_ends_once(self, world):
        session, _ = start(world, world.olive)
        one, two = world.browser(world.olive), world.browser(world.olive)
        for page in (one, two):
            page.visit(f"/sessions/{session.id}/ending")
        one.submit("End the session")
        (ended,) = world.rows(BrowserSession, id=session.id)
        world.clock.advance(minutes=1)
        two.submit("End the session")

        assert world.rows(BrowserSession, id=session.id)[0].ended_at == ended.ended_at
        assert events(world).count("session.ended_elsewhere") == 1
        assert "This session has ended" in one.visit(f"/sessions/{session.id}/ending").text

    def test_when_the_others_are_gone_meanwhile_it_says_so(self, world):
        session, _ = start(world, world.olive)
        page = world.browser(world.olive).visit("/sessions/others/ending")
        with world.db.transaction() as tx:
            end_session(tx, session.id, world.clock.now)
        page.submit("End 1 session")

        assert "There was no other session. Nothing was changed." in page.text
        assert "session.others_ended" not in events(world)

    def test_the_session_in_which_one_is_is_ended_by_signing_out(self, world):
        page = world.browser(world.olive).visit("/sessions")
        (row,) = world.rows(BrowserSession, user_id=world.olive.id)

        assert "Sign out ends it" in page.table("Signed in now")[0].values()
        assert "Sign out to end it" in page.visit(f"/sessions/{row.id}/ending").text
        assert "You are signed in here only" in page.visit("/sessions/others/ending").text
        page.submit("Sign out")
        other = world.browser(world.olive).visit("/sessions")
        assert other.table("Ended sessions")[0]["How"] == "You signed out"

    def test_what_was_typed_in_an_ended_session_is_gone(self, world):
        session, token = start(world, world.olive)
        with world.db.transaction() as tx:
            keep_draft(tx, session.id, "/keys/new", {"name": ["Laptop"]}, world.clock.now)
        world.browser(world.olive).visit("/sessions/others/ending").submit("End 1 session")

        assert world.rows(Draft) == []
        assert not is_signed_in(browser_of(world, token))


@ONE_ENGINE
def test_ended_sessions_are_shown_for_thirty_days_with_how_they_ended(world):
    start(world, world.olive, "Idle one")
    by_us, _ = start(world, world.olive, "Ended by us")
    change(world, BrowserSession, by_us.id, ended_at=world.clock.now)
    world.clock.advance(days=14)
    page = world.browser(world.olive).visit("/sessions")
    assert {row["Device"]: row["How"] for row in page.table("Ended sessions")} == {
        "Idle one": "It was not used for too long",
        "Ended by us": "Anuma ended it",
    }
    world.clock.advance(days=17)

    page = world.browser(world.olive).visit("/sessions")
    assert [row["Device"] for row in page.table("Ended sessions")] == ["Firefox on Linux", "Idle one"]


@ONE_ENGINE
class TestPlaces:
    def test_no_place_is_taken_from_anybody_unless_a_proxy_is_believed(self, world):
        world.restart(place_header="CF-IPCountry")
        start(world, world.olive, place="DE")

        assert "DE" not in [one.text for one in world.browser(world.olive).visit("/sessions").select(".pill")]

    @pytest.mark.parametrize(
        ("header", "place"), [("de", "DE"), ("XX", ""), ("T1", ""), ("<b>", ""), ("DEU", ""), ("", "")]
    )
    def test_a_believed_proxy_names_the_country(self, world, header, place):
        for hops, expected in ((1, place), (0, "")):
            world.restart(place_header="CF-IPCountry", proxy_hops=hops)
            with world.app.test_request_context(headers={"CF-IPCountry": header}):
                assert client_place() == expected

    def test_the_page_shows_it(self, world):
        world.restart(place_header="CF-IPCountry", proxy_hops=1)
        start(world, world.olive, place="DE")
        page = world.browser(world.olive).visit("/sessions")

        assert "203.0.113.9 DE" in [row["Address"] for row in page.table("Signed in now")], page.text
