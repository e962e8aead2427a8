"""Linking a second provider: two sandboxes, each a provider of its own, and one person."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in import linking
from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.identity import SignInIdentity, User
from anuma_dash.web.sessions import BrowserSession, end_session
from tests.features.sign_in.conftest import Visitor, provider_of, running_sandbox

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
CONNECT = "Connect Second"
LEAVE = "Continue at Second"


@pytest.fixture
def sandboxes(tmp_path, clock):
    with running_sandbox(tmp_path / "one", clock) as one, running_sandbox(tmp_path / "two", clock, "second") as two:
        yield one, two


@pytest.fixture
def more_settings(sandboxes):
    one, two = sandboxes
    return {"sign_in_providers": (provider_of(one), provider_of(two, "second"))}


def connect(world, page, name="olive"):
    """Connect the second provider, being this person there."""
    page.visit("/sign-in-methods").submit(CONNECT)
    page.follow(LEAVE)
    return Visitor(world, page).choose(name).page


def linked(world, person):
    return sorted(row.provider for row in world.rows(SignInIdentity, user_id=person.id))


def test_olive_connects_a_second_provider_and_signs_in_with_either(world, browse):
    page = browse(world.olive)
    before = page.cookie(world.session_cookie)
    connect(world, page)

    assert page.path == "/sign-in-methods"
    assert "Second is connected. From now on you can sign in with it, too." in page.text
    assert [row["Provider"] for row in page.table("Sign-in providers")] == ["Sandbox this session", "Second"]
    assert [row["Last sign-in"] for row in page.table("Sign-in providers")] == ["just now", "not yet"]
    assert not page.offers(CONNECT)
    assert page.cookie(world.session_cookie) != before
    assert world.rows(AuditEntry, chain=world.northwind)[-1].event == "identity.linked"
    people = len(world.rows(User))
    other = Visitor(world, browse())
    other.page.visit("/sign-in").submit("Continue with Second")
    other.page.follow(LEAVE)
    other.choose("olive")
    assert "Olive" in other.page.heading
    assert "connected Second as a way to sign in" in other.page.visit("/activity").text
    assert "signed in through Second" in other.page.text
    rows = other.page.visit("/sign-in-methods").table("Sign-in providers")
    assert [row["Last sign-in"] for row in rows] == ["just now", "just now"]
    assert len(world.rows(User)) == people
    assert {row.user_id for row in world.rows(BrowserSession)} == {world.olive.id}


@ONE_ENGINE
class TestRefusals:
    def test_somebody_elses_sign_in_stays_theirs_whatever_its_address(self, world):
        connect(world, world.browser(world.ada), "olive")  # the same address as Olive's, at another provider
        page = connect(world, world.browser(world.olive), "olive")

        assert "This sign-in at Second belongs to somebody else here" in page.text
        assert "Ada" not in page.one("#flash").text
        assert (linked(world, world.olive), linked(world, world.ada)) == (["sandbox"], ["sandbox", "second"])

    def test_what_is_connected_already_is_said_to_be(self, world):
        page, other = world.browser(world.olive), world.browser(world.olive)
        other.visit("/sign-in-methods").submit(CONNECT)
        other.follow(LEAVE)
        connect(world, page)
        Visitor(world, other).choose("olive")

        assert "This sign-in at Second is connected already. Nothing was changed." in other.text
        assert linked(world, world.olive) == ["sandbox", "second"]

    def test_one_sign_in_a_provider(self, world):
        page, other = world.browser(world.olive), world.browser(world.olive)
        other.visit("/sign-in-methods").submit(CONNECT)
        other.follow(LEAVE)
        connect(world, page)
        Visitor(world, other).choose("vera")

        assert "You have connected another sign-in at Second." in other.text
        assert linked(world, world.olive) == ["sandbox", "second"]

    def test_it_takes_a_fresh_confirmation(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods")
        world.clock.advance(minutes=11)
        page.submit(CONNECT)

        assert page.heading == "Confirm that it is you"
        assert world.rows(SignInAttempt) == []

    def test_a_session_that_ended_meanwhile_connects_nothing(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods").submit(CONNECT)
        page.follow(LEAVE)
        with world.db.transaction() as tx:
            end_session(tx, world.rows(BrowserSession)[0].id, world.clock.now)
        Visitor(world, page).choose("olive")

        assert (page.status, linked(world, world.olive)) == (403, ["sandbox"])
        assert "so nothing was connected" in page.text

    def test_an_answer_that_comes_back_to_another_session_connects_nothing(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods").submit(CONNECT)
        page.follow(LEAVE)
        page.set_cookie(world.session_cookie, world.start_session(world.ada)[1])
        Visitor(world, page).choose("olive")

        assert page.status == 403
        assert (linked(world, world.olive), linked(world, world.ada)) == (["sandbox"], ["sandbox"])

    def test_an_answer_to_a_link_never_signs_anybody_in(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods").submit(CONNECT)
        page.follow(LEAVE)
        page.drop_cookie(world.session_cookie)
        Visitor(world, page).choose("olive")

        assert (page.status, page.cookie(world.session_cookie)) == (403, None)
        assert len(world.rows(BrowserSession)) == 1

    def test_the_provider_is_told_to_ask_who_it_is(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods").submit(CONNECT)
        page.follow(LEAVE)

        asked = {one["name"]: one["value"] for one in page.select("form.cast input[type=hidden]")}
        assert (asked["prompt"], asked["max_age"]) == ("login", "0")

    def test_a_provider_that_is_down_connects_nothing(self, world, sandboxes):
        sandboxes[1].stop()
        page = world.browser(world.olive).visit("/sign-in-methods").submit(CONNECT)

        assert "Second does not answer right now, so nothing was connected." in page.text
        assert world.rows(SignInAttempt) == []


def test_of_two_people_who_link_it_at_the_same_moment_one_gets_it(world):
    people = [world.olive, world.ada]
    sessions = [world.start_session(person)[0] for person in people]
    identity = Identity("https://race.example", "subject", world.clock.now, None, False, "", {})

    def link(number):
        with world.db.transaction() as tx:
            session = tx.get_one(BrowserSession, sessions[number].id)
            return linking.link_identity(
                tx, world.settings, people[number].actor, session, "race", identity, world.clock.now
            )[0]

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(link, range(2))) == ["linked", "others"]
    assert len(world.rows(SignInIdentity, issuer="https://race.example")) == 1


def test_a_session_that_ends_while_the_provider_is_asked_connects_nothing(world):
    """The provider may take ten seconds, and the request has looked at its session before that."""
    session, _ = world.start_session(world.olive)
    identity = Identity("https://slow.example", "subject", world.clock.now, None, False, "", {})
    with world.db.transaction() as tx:
        end_session(tx, session.id, world.clock.now)

    with world.db.transaction() as tx, pytest.raises(SignInRefused, match="has ended"):
        linking.link_identity(tx, world.settings, world.olive.actor, session, "slow", identity, world.clock.now)
    assert world.rows(SignInIdentity, issuer="https://slow.example") == []


@ONE_ENGINE
class TestDisconnecting:
    def test_it_ends_the_sessions_that_began_with_it_and_no_other(self, world):
        page = connect(world, world.browser(world.olive))
        other = Visitor(world, world.browser())
        other.page.visit("/sign-in").submit("Continue with Second")
        other.page.follow(LEAVE)
        other.choose("olive")

        page.follow("Disconnect Second")
        assert "1 session that began with Second ends at once." in page.text
        page.submit("Disconnect Second")

        assert "Second is disconnected. Sessions that began with it have ended." in page.text
        assert other.page.visit("/").heading == "Sign in"
        assert page.visit("/").status == 200
        assert linked(world, world.olive) == ["sandbox"]
        assert world.rows(AuditEntry, chain=world.northwind)[-1].event == "identity.unlinked"
        assert "disconnected Second, which ended 1 session" in page.visit("/activity").text

    def test_it_says_that_it_ends_no_session_where_none_began_with_it(self, world):
        page = connect(world, world.browser(world.olive)).follow("Disconnect Second")
        assert "No session of yours began with Second, so none ends." in page.text

    def test_it_may_end_this_very_session(self, world):
        page = connect(world, world.browser(world.olive))
        page.follow("Disconnect Sandbox")
        assert "This session, which began with Sandbox, ends at once." in page.text
        world.start_session(world.olive)
        assert "2 sessions that began with Sandbox end at once, this one included." in page.reload().text
        page.submit("Disconnect Sandbox")

        assert page.heading == "Sign in"
        assert "this session, which began with it, has ended" in page.text

    def test_never_the_last_one(self, world):
        page = world.browser(world.olive).visit("/sign-in-methods")
        assert not page.offers("Disconnect Sandbox")
        (identity,) = world.rows(SignInIdentity, user_id=world.olive.id)
        path = f"/sign-in-methods/providers/{identity.id}/removal"
        page.visit(path)
        assert "Sandbox is your only way to sign in." in page.text
        answer = page.request("POST", path, data={"csrf_token": page.csrf_token()})

        assert (answer.status_code, linked(world, world.olive)) == (409, ["sandbox"])

    def test_one_at_a_provider_that_is_not_configured_any_more_is_no_way_in(self, world):
        connect(world, world.browser(world.olive))
        world.restart(sign_in_providers=world.settings.sign_in_providers[:1])
        page = world.browser(world.olive).visit("/sign-in-methods")

        assert not page.offers("Disconnect Sandbox")
        assert page.offers("Disconnect second")

    def test_it_takes_a_fresh_confirmation(self, world):
        page = connect(world, world.browser(world.olive))
        page.follow("Disconnect Second")
        world.clock.advance(minutes=11)
        page.submit("Disconnect Second")

        assert page.heading == "Confirm that it is you"
        assert linked(world, world.olive) == ["sandbox", "second"]

    def test_somebody_elses_does_not_exist(self, world):
        (identity,) = world.rows(SignInIdentity, user_id=world.ada.id)
        page = world.browser(world.olive).visit("/sign-in-methods")
        path = f"/sign-in-methods/providers/{identity.id}/removal"

        assert page.request("GET", path).status_code == 404
        assert page.request("POST", path, data={"csrf_token": page.csrf_token()}).status_code == 404


def test_two_windows_cannot_take_away_the_last_two(world):
    page = connect(world, world.browser(world.olive))
    form = {"csrf_token": page.csrf_token()}
    cookie = page.cookie(world.session_cookie)
    rows = world.rows(SignInIdentity, user_id=world.olive.id)

    def disconnect(row):
        one = world.browser()
        one.set_cookie(world.session_cookie, cookie)
        path = f"/sign-in-methods/providers/{row.id}/removal"
        return one.request("POST", path, data=form).status_code

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(disconnect, rows))
    assert len(linked(world, world.olive)) == 1
