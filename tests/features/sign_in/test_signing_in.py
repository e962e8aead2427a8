"""Coming back: the same person, the page that they wanted, and honest words when the provider does not answer."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from sqlalchemy import update

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.suspensions import suspend_account
from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.identity import SignInIdentity, User
from anuma_dash.web.sessions import BrowserSession
from tests.features.sign_in.conftest import CONTINUE


def test_olive_signs_in_and_is_where_she_belongs(world, visitor):
    page = visitor.leave().choose("olive").page

    assert page.path == "/"
    assert page.heading.endswith(", Olive")
    assert page.one(".account b").text == "Northwind Labs"
    assert "olive@northwind.example" in page.text


def test_people_of_a_suspended_account_still_sign_in_and_read_why(world, visitor):
    reason = "Payment disputes of three cards in a week"
    suspend_account(
        world.services.context, world.ines.actor, world.northwind, reason=reason, contest="appeals@anuma.example"
    )
    page = visitor.leave("/your-data").choose("olive").page

    assert (page.path, page.status, page.heading) == ("/your-data", 200, "Your data")
    assert "This account is suspended" in page.text
    assert f"by Ines Duarte. The reason: “{reason}”" in page.text
    assert "appeals@anuma.example" in page.text


def test_a_sign_in_is_recorded_and_leaves_no_trip_behind(world, visit):
    world.clock.advance(hours=1)
    visit().leave().choose("olive")

    (session,) = world.rows(BrowserSession)
    assert (session.user_id, session.account_id) == (world.olive.id, world.northwind)
    assert (session.device, session.address) == ("Firefox on Linux", "127.0.0.1")
    assert session.authenticated_at == world.clock.now
    (identity,) = world.rows(SignInIdentity, subject=world.olive.subject)
    assert identity.last_sign_in_at == world.clock.now
    entry = world.rows(AuditEntry, chain=world.northwind)[-1]
    assert (entry.event, entry.actor_id) == ("session.started", world.olive.id)
    assert world.rows(SignInAttempt) == []


def test_every_sign_in_is_a_session_of_its_own_with_a_token_of_its_own(world, visit):
    tokens = {visit().leave().choose("olive").page.cookie(world.session_cookie) for _ in range(2)}

    assert len(tokens) == 2
    assert len(world.rows(BrowserSession)) == 2


def test_a_token_that_somebody_planted_before_is_not_taken_over(world, visit):
    visitor = visit()
    visitor.page.set_cookie(world.session_cookie, "planted-by-somebody-else")

    visitor.leave().choose("olive")

    assert visitor.page.cookie(world.session_cookie) != "planted-by-somebody-else"


def test_a_person_comes_out_on_the_page_that_they_wanted(visitor):
    page = visitor.leave("/requests?status=429").choose("olive").page

    assert page.path == "/requests?status=429"
    assert page.heading == "Request log"


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "/%2f%2fevil.example"])
def test_nobody_is_led_to_another_site(visit, target):
    page = visit().leave(f"/sign-in?next={quote(target, safe='')}").choose("olive").page

    assert page.path == "/"


def test_who_is_signed_in_already_goes_on(world):
    assert world.browser(world.olive).visit("/sign-in?next=/activity").path == "/activity"


def test_a_suspended_person_is_told_so_and_gets_no_session(world, visit):
    with world.db.transaction() as tx:
        tx.execute(update(User).where(User.id == world.dev.id).values(status="suspended"))

    page = visit().leave().choose("dev").page

    assert page.status == 403
    assert "This user is suspended. Write to us if you think that is wrong." in page.text
    assert world.rows(BrowserSession) == []


def test_somebody_without_an_account_signs_in_to_none(world, visit):
    page = visit().leave().choose("sam").page

    assert page.status == 200
    assert "Northwind Labs" not in page.text


def test_a_provider_that_does_not_exist_is_not_found(world):
    browser = world.browser().visit("/sign-in")

    assert browser.request("POST", "/sign-in/nobody", data={"csrf_token": browser.csrf_token()}).status_code == 404
    assert browser.request("GET", "/sign-in/nobody/callback").status_code == 404


def test_with_the_provider_down_the_sign_in_page_says_so_and_sessions_go_on(world, visitor, sandbox):
    olive = world.browser(world.olive)
    sandbox.stop()

    page = visitor.page.visit("/sign-in?next=/activity").submit(CONTINUE)

    assert (page.status, page.heading) == (503, "Sign in")
    assert "Sandbox does not answer right now. Try again in a moment." in page.text
    assert page.one("form input[name=next]")["value"] == "/activity"
    assert world.rows(SignInAttempt) == []
    assert olive.visit("/activity").status == 200


def test_a_provider_that_goes_away_in_the_middle_stores_nothing(world, visit, sandbox):
    visitor = visit().leave()
    answer = visitor.answer_of(lambda: visitor.choose("olive"))
    sandbox.stop()

    page = visitor.page.visit(
        f"/sign-in/sandbox/callback?code={answer['code']}&state={answer['state']}&iss={quote(sandbox.issuer)}"
    )

    assert (page.status, page.heading) == (503, "Sign in")
    assert re.search(r"Sandbox does not answer.* Nothing was stored\. Try again soon\.", page.text)
    assert world.rows(BrowserSession) == []


def test_a_person_who_turns_back_at_the_provider_is_not_signed_in(world, visit, sandbox):
    visitor = visit().leave()
    answer = visitor.answer_of(lambda: visitor.choose("olive"))

    page = visitor.page.visit(
        f"/sign-in/sandbox/callback?error=access_denied&state={answer['state']}&iss={quote(sandbox.issuer)}"
    )

    assert page.status == 403
    assert "Sandbox did not sign you in." in page.text
    assert world.rows(BrowserSession) == []


def test_signing_in_again_and_again_is_slowed_down(world):
    browser = world.browser().visit("/sign-in")
    form = {"csrf_token": browser.csrf_token()}

    statuses = [browser.request("POST", "/sign-in/sandbox", data=form).status_code for _ in range(31)]

    assert statuses == [200] * 30 + [429]
    answer = browser.request("POST", "/sign-in/sandbox", data=form)
    assert "Too many tries" in answer.text
    assert "Wait a minute, then try again." in answer.text
