"""A provider that does not answer: nobody can use that to hold the threads that everybody else needs."""

from __future__ import annotations

import pytest

from anuma_dash.features.sign_in import documents
from tests.features.sign_in.hostile import Raw
from tests.features.sign_in.test_back_channel_logout import alive, olive, send, token_for

__all__ = ["olive"]
DISCOVERY = "/.well-known/openid-configuration"


@pytest.mark.parametrize("down", [DISCOVERY, "/jwks.json"])
def test_made_up_logout_tokens_do_not_each_wait_for_it(journey, olive, down):
    journey.provider.behave(raw={down: Raw(500)})

    for number in range(20):
        answer = send(journey, token_for(journey, header={"kid": f"made-up-{number}"}))
        assert (answer.status_code, answer.json["error"]) == (400, "temporarily_unavailable")

    assert journey.provider.asked[down] == 2


def test_a_logout_is_heard_once_it_answers_again(journey, olive):
    journey.provider.behave(raw={"/jwks.json": Raw(500)})
    assert send(journey, token_for(journey)).status_code == 400
    journey.provider.behave()

    assert send(journey, token_for(journey)).status_code == 200
    assert olive[1] not in alive(journey)


def test_a_sign_in_asks_it_although_logout_tokens_may_not(journey, olive):
    journey.provider.behave(raw={"/jwks.json": Raw(500)})
    for _ in range(5):
        send(journey, token_for(journey))
    journey.provider.behave()

    assert journey.sign_in().arrived_at == "/activity"


def test_signed_out_pages_ask_it_once_a_minute_also_when_what_it_said_is_old(journey, hostile, monkeypatch):
    browser = journey.world.browser()
    assert "Sign out at" in browser.visit("/signed-out?provider=hostile").text
    monkeypatch.setattr(documents, "KEPT_SECONDS", 0)
    journey.provider.behave(raw={DISCOVERY: Raw(500)})

    for _ in range(5):
        assert browser.visit("/signed-out?provider=hostile").status == 200

    assert journey.provider.asked[DISCOVERY] == 1
