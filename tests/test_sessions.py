"""Sessions: limits, ending, rotation, and what is kept of them."""

from __future__ import annotations

import base64

import pytest
from flask import make_response
from sqlalchemy import update

from anuma_dash.identity import User
from anuma_dash.web import sessions
from anuma_dash.web.access import set_session_cookie
from anuma_dash.web.sessions import BrowserSession, device_name
from tests.browser import Browser
from tests.probes import add_probe


def change(world, model, identifier, **values):
    with world.db.transaction() as tx:
        tx.execute(update(model).where(model.id == identifier).values(**values))


def is_signed_in(browser):
    return browser.visit("/").heading != "Sign in"


def test_an_ended_session_is_signed_out_on_its_next_request_and_the_others_go_on(world):
    session, token = world.start_session(world.olive)
    ended, other = world.browser(), world.browser(world.olive)
    ended.set_cookie(world.session_cookie, token)
    assert is_signed_in(ended)

    with world.db.transaction() as tx:
        sessions.end_session(tx, session.id, world.clock.now)

    assert not is_signed_in(ended)
    assert is_signed_in(other)


def test_a_suspended_person_is_signed_out_everywhere_at_once(world):
    browsers = [world.browser(world.dev), world.browser(world.dev)]
    assert all(map(is_signed_in, browsers))

    change(world, User, world.dev.id, status="suspended")

    assert not any(map(is_signed_in, browsers))
    assert is_signed_in(world.browser(world.olive))


def test_ended_or_suspended_in_one_process_is_signed_out_in_every_other_at_once(world):
    session, token = world.start_session(world.olive)
    elsewhere = [Browser(world.new_app(), world.settings.public_url) for _ in range(2)]
    devs = [Browser(world.new_app(), world.settings.public_url) for _ in range(2)]
    for browser, dev in zip(elsewhere, devs, strict=True):
        browser.set_cookie(world.session_cookie, token)
        dev.set_cookie(world.session_cookie, world.start_session(world.dev)[1])
        assert is_signed_in(browser)
        assert is_signed_in(dev)

    with world.db.transaction() as tx:
        sessions.end_session(tx, session.id, world.clock.now)
    change(world, User, world.dev.id, status="suspended")

    assert not any(map(is_signed_in, [*elsewhere, *devs]))
    answer = elsewhere[0].request("POST", "/account/selection", data={"account_id": str(world.northwind)})
    assert answer.headers["Location"].startswith("/sign-in?next="), "nor can it send a form"


def test_a_token_is_256_random_bits_and_no_two_are_alike(world):
    tokens = {world.start_session(world.olive)[1] for _ in range(20)}

    assert len(tokens) == 20
    assert {len(base64.urlsafe_b64decode(token + "=")) for token in tokens} == {32}
    assert len({token[:4] for token in tokens}) > 15


def test_the_session_cookie_can_be_read_by_no_script_and_is_sent_to_no_other_site(world):
    for public_url, name in (("http://localhost:8000", "anuma_session"), ("https://d.example", "__Host-anuma_session")):
        world.restart(public_url=public_url)
        _, token = world.start_session(world.olive)

        def give(token=token):
            response = make_response("")
            set_session_cookie(response, token)
            return response

        add_probe(world, give, anonymous=True)
        pair, *attributes = world.browser().request("GET", "/probe").headers["Set-Cookie"].split("; ")
        assert pair == f"{name}={token}"
        kept = {one for one in attributes if not one.startswith("Expires=")}
        secure = {"Secure"} if public_url.startswith("https") else set()
        assert kept == {"HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={90 * 86400}"} | secure, "and no Domain"


@pytest.mark.parametrize("token", ["", "x", "a" * 4000, "%00", "é"])
def test_a_token_that_was_never_given_out_opens_nothing(world, token):
    browser = world.browser()
    browser.set_cookie(world.session_cookie, token)

    assert not is_signed_in(browser)


def test_the_database_holds_no_token_only_its_keyed_hash(world):
    session, token = world.start_session(world.olive)

    stored = " ".join(str(value) for value in vars(session).values())
    assert len(token) >= 43
    assert token not in stored
    assert session.token_hash == sessions.hash_token(world.settings, token)[0]


def test_the_token_changes_at_reauthentication_and_the_old_one_is_worthless(world):
    session, token = world.start_session(world.olive)
    old, new = world.browser(), world.browser()
    old.set_cookie(world.session_cookie, token)

    with world.db.transaction() as tx:
        fresh = sessions.renew_token(tx, world.settings, session.id, world.clock.now)
    new.set_cookie(world.session_cookie, fresh)

    assert is_signed_in(new)
    assert not is_signed_in(old)


def test_sessions_outlive_a_change_of_the_secret_until_the_old_one_is_taken_away(world):
    token = world.start_session(world.olive)[1]
    (old,) = world.settings.session_secrets
    new = "session-fe02b7a9c4d15836f0a7be21d9c4583b"

    for secrets, signed_in in (((new, old), True), ((new,), False)):
        world.restart(session_secrets=secrets)
        browser = world.browser()
        browser.set_cookie(world.session_cookie, token)
        assert is_signed_in(browser) == signed_in


def test_last_seen_is_noted_once_a_minute(world):
    began, browser = world.clock.now, world.browser(world.olive)

    def last_seen():
        return (world.rows(BrowserSession)[-1].last_seen_at - began).total_seconds()

    seen = []
    for _ in range(5):
        world.clock.advance(seconds=25)
        browser.visit("/signed-out")
        seen.append(last_seen())

    assert seen == [0, 0, 75, 75, 75]


def test_a_person_is_recently_authenticated_for_ten_minutes_and_never_before_they_were(world):
    session, _ = world.start_session(world.olive)

    def recent(**duration):
        world.clock.advance(**duration)
        return sessions.recently_authenticated(world.settings, session, world.clock.now)

    assert [recent(minutes=10), recent(seconds=1), recent(minutes=-11)] == [True, False, False]


def test_a_session_cookie_on_https_is_bound_to_the_host(world):
    world.restart(public_url="https://dashboard.example")
    browser = world.browser(world.olive)

    assert world.session_cookie == "__Host-anuma_session"
    assert is_signed_in(browser)


def test_an_insecure_cookie_is_not_taken_for_a_session_on_https(world):
    token = world.start_session(world.olive)[1]
    world.restart(public_url="https://dashboard.example")
    browser = world.browser()
    browser.set_cookie("anuma_session", token)

    assert not is_signed_in(browser)


class TestDrafts:
    """What a person had typed when they were asked who they are."""

    PATH = "/keys/new"

    def keep(self, world, session, path=PATH):
        with world.db.transaction() as tx:
            return sessions.keep_draft(tx, session.id, path, {"name": ["Laptop"]}, world.clock.now)

    def find(self, world, session, draft_id, path=PATH):
        with world.db.reading() as tx:
            return sessions.find_draft(tx, session.id, draft_id, path, world.clock.now)

    def test_a_draft_is_found_by_its_session_on_its_page_for_a_quarter_of_an_hour(self, world):
        session, _ = world.start_session(world.olive)
        draft_id = self.keep(world, session)

        world.clock.advance(minutes=15)
        assert self.find(world, session, draft_id) == {"name": ["Laptop"]}
        world.clock.advance(seconds=1)
        assert self.find(world, session, draft_id) is None

    def test_a_draft_of_another_session_or_another_page_is_not_there(self, world):
        session, _ = world.start_session(world.olive)
        other, _ = world.start_session(world.olive)
        draft_id = self.keep(world, session)

        assert self.find(world, other, draft_id) is None
        assert self.find(world, session, draft_id, "/data-controls") is None

    def test_a_session_keeps_the_newest_twenty(self, world):
        """Whoever sends forms without confirming who they are must not fill the database."""
        session, _ = world.start_session(world.olive)
        other, _ = world.start_session(world.ada)
        theirs = self.keep(world, other)
        kept = [self.keep(world, session) for _ in range(25)]

        assert [self.find(world, session, one) is not None for one in kept] == [False] * 5 + [True] * 20
        assert self.find(world, other, theirs) is not None

    def test_old_drafts_go_when_a_new_one_is_kept_and_all_go_with_the_session(self, world):
        session, _ = world.start_session(world.olive)
        self.keep(world, session)
        world.clock.advance(minutes=16)
        kept = self.keep(world, session)

        assert [draft.id for draft in world.rows(sessions.Draft)] == [kept]
        with world.db.transaction() as tx:
            sessions.end_session(tx, session.id, world.clock.now)
        assert world.rows(sessions.Draft) == []


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/26 Safari/605", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) Version/26 Safari/604", "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/142 Safari/537 Edg/142", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537 Chrome/142 Mobile Safari/537", "Chrome on Android"),
        ("curl/8", "A browser"),
        ("", "A browser"),
    ],
)
def test_a_device_is_named_in_a_few_words(user_agent, name):
    assert device_name(user_agent) == name
