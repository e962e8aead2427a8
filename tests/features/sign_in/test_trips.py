"""One trip to the provider: for one browser, once, soon, and answered by the one that was asked.

What a hostile provider may send inside its tokens has a place of its own beside this file.
"""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.web.sessions import BrowserSession
from tests.features.sign_in.conftest import provider_of, running_sandbox

TRIP_COOKIE = "anuma_sign_in"
CALLBACK = "/sign-in/sandbox/callback"
NOT_BEGUN = "This sign-in was not begun in this browser, or it was already used."


@pytest.fixture
def arriving(visit):
    """A visitor whom the provider has just sent back, and the answer that their browser holds."""
    visitor = visit().leave()
    return visitor, visitor.answer_of(lambda: visitor.choose("olive"))


def bring(page, answer, callback=CALLBACK):
    return page.visit(f"{callback}?{urlencode(answer)}")


def refused(world, page, words):
    assert (page.status, page.heading) == (403, "You could not be signed in")
    assert words in page.text
    assert world.rows(BrowserSession) == []


def test_the_answer_signs_in_the_browser_that_asked(world, arriving):
    visitor, answer = arriving

    assert set(answer) == {"code", "state", "iss"}
    assert bring(visitor.page, answer).heading.endswith(", Olive")


def test_the_answer_is_worthless_in_another_browser(world, arriving):
    refused(world, bring(world.browser(), arriving[1]), NOT_BEGUN)


def test_an_answer_is_good_once(world, arriving):
    visitor, answer = arriving
    trip = visitor.page.cookie(TRIP_COOKIE)
    bring(visitor.page, answer)

    replay = world.browser()
    replay.set_cookie(TRIP_COOKIE, trip)

    assert bring(replay, answer).status == 403
    assert NOT_BEGUN in replay.text
    assert len(world.rows(BrowserSession)) == 1


def test_a_wrong_answer_uses_the_trip_up(world, arriving):
    visitor, answer = arriving
    bring(visitor.page, answer | {"state": "guessed"})

    refused(world, bring(visitor.page, answer), NOT_BEGUN)


@pytest.mark.parametrize("seconds", [601, -1], ids=["later", "the clock was set back"])
def test_a_trip_of_more_than_ten_minutes_is_over(world, arriving, seconds):
    visitor, answer = arriving
    world.clock.advance(seconds=seconds)

    refused(world, bring(visitor.page, answer), "This sign-in took longer than ten minutes.")


@pytest.mark.parametrize("state", ["guessed", "", None, "é"])
def test_an_answer_with_another_state_is_refused(world, arriving, state):
    visitor, answer = arriving
    answer = {name: value for name, value in (answer | {"state": state}).items() if value is not None}

    refused(world, bring(visitor.page, answer), "does not belong to the sign-in that this browser began")


@pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
def test_an_answer_of_another_issuer_is_refused(world, arriving, issuer):
    visitor, answer = arriving
    answer = {name: value for name, value in (answer | {"iss": issuer}).items() if value is not None}

    refused(world, bring(visitor.page, answer), "from another provider than the one that was asked (RFC 9207)")


@pytest.mark.parametrize(("code", "words"), [(None, "sent no code"), ("made-up", "did not accept the code")])
def test_an_answer_without_a_good_code_is_refused(world, arriving, code, words):
    visitor, answer = arriving
    answer = {name: value for name, value in (answer | {"code": code}).items() if value is not None}

    refused(world, bring(visitor.page, answer), words)


def test_an_answer_to_one_provider_is_not_taken_at_the_callback_of_another(world, arriving, tmp_path):
    visitor, answer = arriving
    with running_sandbox(tmp_path / "other", world.clock, "other") as other:
        world.restart(sign_in_providers=(*world.settings.sign_in_providers, provider_of(other, "other")))
        browser = world.browser()
        browser.set_cookie(TRIP_COOKIE, visitor.page.cookie(TRIP_COOKIE))

        refused(world, bring(browser, answer, "/sign-in/other/callback"), NOT_BEGUN)


def test_trips_that_nobody_finished_are_swept_away_by_later_ones(world, visit):
    visit().leave()
    world.clock.advance(minutes=11)
    visit().leave()

    (attempt,) = world.rows(SignInAttempt)
    assert attempt.created_at == world.clock.now


def test_the_trip_keeps_its_secrets_hashed_and_asks_for_pkce(world, visit):
    visitor = visit().leave()

    asked = {one["name"]: one["value"] for one in visitor.page.select("form.cast input[type=hidden]")}
    (attempt,) = world.rows(SignInAttempt)
    assert visitor.page.cookie(TRIP_COOKIE) not in str(vars(attempt))
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert attempt.verifier not in asked.values()
    assert (asked["state"], asked["nonce"]) == (attempt.state, attempt.nonce)
