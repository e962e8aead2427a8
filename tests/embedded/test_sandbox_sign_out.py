"""RP-initiated logout."""

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

BACK = "http://localhost:8000/"


def still_signed_in(party) -> bool:
    return "code" in party.callback(party.authorize(prompt="none"))


def end_session(party, **params: str):
    return party.http.get(party.metadata["end_session_endpoint"], params=params)


def test_hint_ends_the_session_and_goes_back_with_state(party):
    hint = party.tokens("olive")["id_token"]
    response = end_session(party, id_token_hint=hint, post_logout_redirect_uri=BACK, state="after")
    assert response.status_code == 303
    assert response.headers["location"] == BACK + "?state=after"
    assert not still_signed_in(party)


def test_hint_may_be_posted_and_expired(party, clock):
    hint = party.tokens("olive")["id_token"]
    clock.forward(hours=2)
    form = {"id_token_hint": hint, "post_logout_redirect_uri": BACK, "client_id": "anuma-dashboard"}
    response = party.http.post("/end-session", data=form)
    assert response.headers["location"] == BACK
    assert not still_signed_in(party)


def test_signing_out_twice_is_fine(party):
    hint = party.tokens("olive")["id_token"]
    for _ in range(2):
        response = end_session(party, id_token_hint=hint, post_logout_redirect_uri=BACK)
        assert response.headers["location"] == BACK


@pytest.mark.parametrize("address", [None, "http://evil.example/", BACK + "x"])
def test_unregistered_address_is_not_gone_to(party, read_page, address):
    params = {"post_logout_redirect_uri": address} if address else {}
    response = end_session(party, id_token_hint=party.tokens("olive")["id_token"], **params)
    assert "location" not in response.headers
    assert "You are signed out of the sandbox" in read_page(response).text
    assert not still_signed_in(party)


def test_without_a_hint_it_asks_first_and_redirects_nowhere(party, read_page):
    party.tokens("olive")
    page = read_page(end_session(party, client_id="anuma-dashboard", post_logout_redirect_uri=BACK))
    assert "Sign out of the sandbox" in page.text
    assert still_signed_in(party)
    response = party.http.post("/end-session", data=page.fields())
    assert "location" not in response.headers
    assert not still_signed_in(party)


def test_post_without_our_form_asks_first(party):
    party.tokens("olive")
    assert party.http.post("/end-session", data={"form_token": "0" * 64}).status_code == 200
    assert still_signed_in(party)


def test_hint_of_somebody_else_asks_first(party, read_page):
    hint = party.tokens("olive")["id_token"]
    party.tokens("ada")
    response = end_session(party, id_token_hint=hint, post_logout_redirect_uri=BACK)
    assert "Sign out of the sandbox" in read_page(response).text
    assert still_signed_in(party)


NAMES_A_KEY_WITH_A_QUOTE = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImFcImIifQ.e30.AA"


@pytest.mark.parametrize(
    "hint",
    [
        "x",
        "a.b.c",
        "e30.e30.",
        "é",
        '"',
        "{}",
        "." * 40_000,
        "eyJhbGciOiJub25lIn0.e30.",
        NAMES_A_KEY_WITH_A_QUOTE,
    ],
)
def test_hint_that_is_not_ours_gets_a_page(party, read_page, hint):
    party.tokens("olive")
    response = party.http.post("/end-session", data={"id_token_hint": hint, "post_logout_redirect_uri": BACK})
    assert response.status_code == 400
    assert "This sign-out request is not valid" in read_page(response).text
    assert still_signed_in(party)


@pytest.mark.parametrize("claims", [{"nbf": "soon"}, {"nbf": 9_999_999_999}, {"aud": "another"}])
def test_hint_signed_by_another_key_gets_a_page(party, claims):
    party.tokens("olive")
    own = party.claims(party.tokens("olive")["id_token"])
    forged = jwt.encode({"alg": "ES256"}, own | claims, ECKey.generate_key("P-256"))
    assert end_session(party, id_token_hint=forged).status_code == 400
    assert still_signed_in(party)


def test_hint_for_another_client_gets_a_page(party):
    hint = party.tokens("olive")["id_token"]
    assert end_session(party, id_token_hint=hint, client_id="another").status_code == 400
    assert still_signed_in(party)
