"""Signing out here leads on to the provider, and signing out there ends the sessions here: with the real sandbox."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in import endings
from anuma_dash.features.sign_in.logout_tokens import ProviderLogout
from anuma_dash.web.sessions import BrowserSession
from tests.features.sign_in.conftest import LEAVE, Visitor, dashboard_on, provider_of, running_sandbox
from tests.processes import free_port

on_one_engine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
SIGNED_OUT = "You are signed out of Anuma in this browser. You may still be signed in at Sandbox."
THERE_TOO = "Sign out at Sandbox"


@on_one_engine
def test_the_session_has_ended_here_before_anything_else(world, visitor):
    page = visitor.leave().choose("olive").page
    token = page.cookie(world.session_cookie)

    page.submit("Sign out")

    assert page.heading == "You are signed out"
    assert SIGNED_OUT in page.text
    assert world.rows(BrowserSession, ended_at=None) == []
    thief = world.browser()
    thief.set_cookie(world.session_cookie, token)
    assert thief.visit("/activity").heading == "Sign in"


@on_one_engine
def test_the_way_on_names_us_and_no_person(world, visit, sandbox):
    page = visit().leave().choose("olive").page.submit("Sign out")

    (link,) = [one for one in page.select("a[href]") if one.text == THERE_TOO]
    assert link["href"].startswith(f"{sandbox.issuer}/end-session?")
    assert parse_qs(urlsplit(link["href"]).query) == {
        "client_id": ["anuma-dashboard"],
        "post_logout_redirect_uri": ["http://localhost:8000/signed-out"],
    }
    assert page.follow(THERE_TOO).heading == "Sign out of the sandbox"
    assert page.submit("Sign out").heading == "You are signed out of the sandbox"


@on_one_engine
def test_with_the_provider_down_signing_out_works_all_the_same(world, visit, sandbox):
    page = visit().leave().choose("olive").page
    world.restart()
    page.app = world.app
    sandbox.stop()
    browser = world.browser()
    browser.set_cookie(world.session_cookie, page.cookie(world.session_cookie))

    browser.visit("/activity").submit("Sign out")

    assert SIGNED_OUT in browser.text
    assert not browser.offers(THERE_TOO)
    assert world.rows(BrowserSession, ended_at=None) == []


@on_one_engine
def test_coming_back_to_the_page_while_signed_in_it_says_that(world, browse):
    page = browse(world.olive).visit("/signed-out?provider=sandbox")

    assert page.heading == "You are signed in"
    assert "signed in to Anuma as Olive Lindqvist" in page.text
    assert page.follow("Go to the overview").path == "/"


@on_one_engine
@pytest.mark.parametrize("query", ["?provider=nobody", "?provider=", "?provider=%00", ""])
def test_a_provider_that_does_not_exist_is_not_named(world, query):
    page = world.browser().visit(f"/signed-out{query}")

    assert "You may still be signed in at your sign-in provider." in page.text


def test_a_logout_token_is_good_once_on_every_engine(world):
    world.start_session(world.olive)
    logout = ProviderLogout(world.olive.issuer, world.olive.subject, None, "a" * 64, world.clock.now)

    def send():
        with world.db.transaction() as tx:
            return endings.end_for_provider(tx, "Sandbox", logout, "127.0.0.1", "req_1", world.clock.now)

    assert send() == 1
    world.start_session(world.olive)
    with pytest.raises(SignInRefused, match="used before"):
        send()
    assert len(world.rows(BrowserSession, ended_at=None)) == 1
    world.clock.advance(seconds=1)
    assert send() == 1
    assert world.clock.now - logout.remember_until == timedelta(seconds=1)


@on_one_engine
class TestSandboxTellsUs:
    """The sandbox posts its logout tokens to the dashboard, over sockets, both ways."""

    @pytest.fixture
    def port(self):
        return free_port()

    @pytest.fixture
    def sandbox(self, tmp_path, clock, port):
        address = f"http://127.0.0.1:{port}/sign-in/sandbox/back-channel-logout"
        with running_sandbox(tmp_path / "sandbox", clock, back_channel_logout_uri=address) as running:
            yield running

    @pytest.fixture
    def more_settings(self, sandbox, port):
        return {
            "sign_in_providers": (provider_of(sandbox),),
            "allowed_hosts": ("localhost:8000", f"127.0.0.1:{port}"),
        }

    @pytest.fixture(autouse=True)
    def reachable(self, world, port):
        with dashboard_on(port, world.app):
            yield

    def test_every_session_of_that_provider_session_ends_and_no_other(self, world, visit, sandbox):
        first, second, elsewhere = visit(), visit(), visit()
        first.leave().choose("olive")
        second.page._elsewhere = first.page._elsewhere  # another window of the same browser, to the provider
        second.leave().choose("olive")
        elsewhere.leave().choose("olive")
        assert len(world.rows(BrowserSession, ended_at=None)) == 3

        at_provider = Visitor(world, world.browser())
        at_provider.page._elsewhere = first.page._elsewhere
        at_provider.page.visit("/sign-in").submit("Continue with Sandbox").follow(LEAVE)
        at_provider.page._load("GET", f"{sandbox.issuer}/end-session")
        assert at_provider.page.submit("Sign out").heading == "You are signed out of the sandbox"

        assert first.page.visit("/activity").heading == "Sign in"
        assert second.page.visit("/activity").heading == "Sign in"
        assert elsewhere.page.visit("/activity").heading == "Activity"
        ended = [entry for entry in world.rows(AuditEntry) if entry.event == "session.ended_by_provider"]
        assert len(ended) == 2

    def test_after_a_second_sign_in_the_session_is_known_by_its_new_name(self, world, visit, sandbox):
        visitor = visit().leave().choose("olive")
        (before,) = world.rows(BrowserSession, ended_at=None)
        visitor.page._elsewhere = None  # the provider has forgotten its session meanwhile
        world.clock.advance(minutes=11)
        visitor.page.visit("/sign-in/reauthentication").submit("Confirm with Sandbox").follow(LEAVE)
        visitor.choose("olive")

        (after,) = world.rows(BrowserSession, ended_at=None)
        assert (after.id, after.sid != before.sid, bool(after.sid)) == (before.id, True, True)
