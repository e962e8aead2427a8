"""The code flow from discovery to userinfo, and what the token endpoint refuses."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_discovery_describes_what_is_served(party):
    metadata = party.metadata
    assert metadata["issuer"] == party.issuer
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["id_token_signing_alg_values_supported"] == ["ES256"]
    assert metadata["request_uri_parameter_supported"] is False
    assert metadata["backchannel_logout_supported"] is False  # no address is set
    for name, address in metadata.items():
        if name.endswith(("_endpoint", "_uri")):
            assert address.startswith(party.issuer + "/")
            assert party.http.get(address).status_code != 404


def test_published_keys_are_public_halves(party):
    (key,) = party.http.get("/jwks.json").json()["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("EC", "ES256", "sig")
    assert "d" not in key


def test_somebody_chosen_comes_back_with_code_state_and_issuer(party):
    callback = party.callback(party.choose("olive"))
    assert callback.keys() == {"code", "state", "iss"}
    assert callback["state"] == "the-state"
    assert callback["iss"] == party.issuer


def test_id_token_says_who_when_and_for_whom(party, clock):
    tokens = party.tokens("olive")
    now = int(clock.now.timestamp())
    claims = party.claims(tokens["id_token"])
    digest = hashlib.sha256(tokens["access_token"].encode()).digest()
    at_hash = base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
    assert len(claims.pop("sub")) == 36
    assert len(claims.pop("sid")) == 22
    assert claims == {
        "iss": party.issuer,
        "aud": "anuma-dashboard",
        "iat": now,
        "exp": now + 3600,
        "auth_time": now,
        "nonce": "the-nonce",
        "at_hash": at_hash,
        "name": "Olive Lindqvist",
        "email": "olive@northwind.example",
        "email_verified": True,
    }


def test_token_answer_is_not_stored_and_has_a_life(party):
    answer = party.redeem(party.callback(party.choose())["code"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["expires_in"] == 3600
    assert answer.json()["token_type"] == "Bearer"
    assert "refresh_token" not in answer.json()


def test_client_may_authenticate_in_the_body(party):
    code = party.callback(party.choose())["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": party.redirect_uri,
        "code_verifier": party.verifier,
        "client_id": "anuma-dashboard",
        "client_secret": party.secret,
    }
    assert "id_token" in party.http.post("/token", data=form).json()


def test_request_may_be_posted(party, read_page):
    page = read_page(party.http.post("/authorize", data=party.request()))
    assert page.response.status_code == 200
    response = party.http.post("/authorize", data=page.fields() | {"person": "vera"})
    assert "code" in party.callback(response)


def test_userinfo_agrees_with_the_id_token(party):
    tokens = party.tokens("sam")
    answer = party.userinfo(tokens["access_token"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "sub": party.claims(tokens["id_token"])["sub"],
        "name": "Sam Ruiz",
        "email": "sam@anuma.example",
        "email_verified": True,
    }


def test_scope_limits_the_claims(party):
    tokens = party.tokens("olive", scope="openid unheard-of")
    assert tokens["scope"] == "openid"
    assert not {"name", "email"} & party.claims(tokens["id_token"]).keys()
    assert party.userinfo(tokens["access_token"]).json().keys() == {"sub"}


def test_subject_is_the_same_at_each_sign_in_and_nobody_elses(party):
    def subject(person: str) -> str:
        return party.claims(party.tokens(person)["id_token"])["sub"]

    cast = ["olive", "ada", "dev", "bill", "vera", "strange", "sam", "pria"]
    first = {person: subject(person) for person in cast}
    assert len(set(first.values())) == len(cast)
    assert subject("olive") == first["olive"]


def test_newcomer_is_known_again_by_address_and_is_not_olive(party):
    def claims(name: str, email: str, **more: str) -> dict:
        code = party.callback(party.newcomer(name, email, **more))["code"]
        return party.claims(party.redeem(code).json()["id_token"])

    robin = claims("Robin", "robin@robin.example", email_verified="yes")
    again = claims("Robin Hood", "ROBIN@robin.example")
    pretender = claims("Olive Lindqvist", "olive@northwind.example", email_verified="yes")
    assert robin["email_verified"] is True
    assert again["email_verified"] is False
    assert again["sub"] == robin["sub"]
    assert pretender["sub"] != party.claims(party.tokens("olive")["id_token"])["sub"]


def test_without_a_nonce_none_is_made_up(party):
    assert "nonce" not in party.claims(party.tokens(nonce=None)["id_token"])


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"code_verifier": "x" * 43}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"redirect_uri": "http://localhost:8000/elsewhere"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"code": "made-up"}, "invalid_grant"),
        ({"code": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "unsupported_grant_type"),
    ],
)
def test_wrong_exchange_is_refused(party, form, error):
    answer = party.redeem(**({"code": party.callback(party.choose())["code"]} | form))
    assert answer.status_code == 400
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    "auth",
    [
        ("anuma-dashboard", "wrong"),
        ("anuma-dashboard", "žluťoučký"),
        ("anuma-dashboard", ""),
        ("somebody-else", "wrong"),
        (b"\xff", b"\xfe"),
    ],
)
def test_wrong_client_credentials_are_refused_and_leave_the_code_good(party, auth):
    code = party.callback(party.choose())["code"]
    answer = party.redeem(code, auth)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert party.redeem(code).status_code == 200


def test_token_endpoint_wants_some_credentials(party):
    code = party.callback(party.choose())["code"]
    form = {"grant_type": "authorization_code", "code": code, "client_id": "anuma-dashboard"}
    assert party.http.post("/token", data=form).json()["error"] == "invalid_client"


def test_replayed_code_is_refused_and_takes_the_token_with_it(party):
    code = party.callback(party.choose())["code"]
    access_token = party.redeem(code).json()["access_token"]
    other = party.tokens("ada")["access_token"]
    assert party.userinfo(access_token).status_code == 200
    answer = party.redeem(code)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert party.userinfo(access_token).status_code == 401
    assert party.userinfo(other).status_code == 200


def test_of_exchanges_at_the_same_moment_one_succeeds(party):
    code = party.callback(party.choose())["code"]
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status_code for answer in pool.map(party.redeem, [code] * 8)]
    assert sorted(statuses) == [200] + [400] * 7


def test_code_lives_sixty_seconds(party, clock):
    early, late = (party.callback(party.choose())["code"] for _ in range(2))
    clock.forward(seconds=59)
    assert party.redeem(early).status_code == 200
    clock.forward(seconds=1)
    assert party.redeem(late).json()["error"] == "invalid_grant"


def test_access_token_lives_an_hour(party, clock):
    access_token = party.tokens()["access_token"]
    clock.forward(hours=1)
    assert party.userinfo(access_token).status_code == 401
    assert "code" in party.callback(party.choose())  # forgets what is over on the way
    assert party.userinfo(access_token).status_code == 401


def test_userinfo_wants_a_token(party):
    assert party.http.get("/userinfo").status_code == 401
    assert party.userinfo("made-up").json()["error"] == "invalid_token"
