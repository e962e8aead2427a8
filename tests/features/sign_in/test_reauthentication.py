"""Confirming who is there, before something dangerous."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.web.sessions import BrowserSession, end_session
from tests.features.sign_in.conftest import LEAVE, Visitor
from tests.page import Document

DANGEROUS = "/keys/new"
CONFIRM = "Confirm with Sandbox"


@pytest.fixture
def olive(world, browse):
    """Olive, whose last sign-in was eleven minutes ago."""
    page = browse(world.olive)
    world.clock.advance(minutes=11)
    return Visitor(world, page)


def confirm(visitor, path=DANGEROUS):
    visitor.page.visit(path).submit(CONFIRM)
    visitor.page.follow(LEAVE)
    return visitor


def test_olive_confirms_who_she_is_and_comes_back(world, olive):
    olive.page.visit(DANGEROUS)
    assert olive.page.heading == "Confirm that it is you"
    assert "you must have confirmed who you are in the last 10 minutes." in olive.page.text
    assert "What you typed" not in olive.page.text

    confirm(olive).choose("olive")

    assert (olive.page.path, olive.page.heading) == (DANGEROUS, "New key")
    (session,) = world.rows(BrowserSession)
    assert session.authenticated_at == world.clock.now
    assert world.rows(AuditEntry, chain=world.northwind)[-1].event == "session.reauthenticated"


def test_the_token_changes_and_the_old_one_is_worthless(world, olive):
    before = olive.page.cookie(world.session_cookie)
    confirm(olive).choose("olive")

    assert olive.page.cookie(world.session_cookie) != before
    thief = world.browser()
    thief.set_cookie(world.session_cookie, before)
    assert thief.visit("/").heading == "Sign in"


def test_the_provider_is_told_to_ask_again(world, olive):
    confirm(olive)

    asked = {one["name"]: one["value"] for one in olive.page.select("form.cast input[type=hidden]")}
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")


def test_somebody_else_at_the_keyboard_is_refused(world, olive):
    confirm(olive).choose("ada")

    assert olive.page.status == 403
    assert "You signed in at the provider as somebody else." in olive.page.text
    assert olive.page.visit(DANGEROUS).heading == "Confirm that it is you"
    (session,) = world.rows(BrowserSession)
    assert session.user_id == world.olive.id


def test_a_session_that_ended_meanwhile_is_not_revived(world, olive):
    confirm(olive)
    (session,) = world.rows(BrowserSession)
    with world.db.transaction() as tx:
        end_session(tx, session.id, world.clock.now)

    olive.choose("olive")

    assert olive.page.status == 403
    assert "The session that asked for this has ended." in olive.page.text


def test_a_confirmation_lasts_ten_minutes(world, olive):
    confirm(olive).choose("olive")

    world.clock.advance(minutes=10)
    assert olive.page.visit(DANGEROUS).heading == "New key"
    world.clock.advance(seconds=1)
    assert olive.page.visit(DANGEROUS).heading == "Confirm that it is you"


def test_with_the_provider_down_it_is_said_and_nothing_dangerous_happens(world, olive, sandbox):
    sandbox.stop()
    page = olive.page.visit(DANGEROUS).submit(CONFIRM)

    assert page.heading == "Confirm that it is you"
    assert "Sandbox does not answer, so it cannot confirm who you are. Try again soon." in page.text
    assert page.one("main input[name=next]")["value"] == DANGEROUS
    assert world.rows(SignInAttempt) == []


def test_what_was_typed_is_there_again_afterwards(world, olive):
    world.clock.advance(minutes=-11)
    olive.page.visit(DANGEROUS)
    world.clock.advance(minutes=11)

    olive.page.submit("Make the key", name="Laptop of Olive")
    assert olive.page.heading == "Confirm that it is you"
    assert "What you typed is kept." in olive.page.text
    olive.page.submit(CONFIRM).follow(LEAVE)
    olive.choose("olive")

    assert olive.page.heading == "New key"
    assert olive.page.one("input[name=name]")["value"] == "Laptop of Olive"


class TestProviderWithoutAuthTime:
    """A provider that never says when somebody signed in cannot confirm anything."""

    @pytest.fixture
    def more_settings(self, more_settings):
        (provider,) = more_settings["sign_in_providers"]
        return {"sign_in_providers": (provider.model_copy(update={"sends_auth_time": False}),)}

    def test_it_is_not_believed(self, olive):
        page = olive.page.visit(DANGEROUS)
        assert not page.offers(CONFIRM)
        form = {"csrf_token": page.csrf_token(), "next": DANGEROUS}
        leaving = page.request("POST", "/sign-in/reauthentication", data=form)
        page.visit(Document(leaving.text).one("a[data-follow]")["href"])
        olive.choose("olive")

        assert page.status == 403
        assert "Sandbox cannot confirm who you are a second time." in page.text
