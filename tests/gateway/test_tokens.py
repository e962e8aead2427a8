"""Who may call the internal API."""

from __future__ import annotations

import base64
import json
from uuid import uuid4

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.gateway.dashboard import Signer


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


def ask(dashboard, account, token, method="GET", **kwargs):
    return dashboard.call(method, account, headers={"authorization": f"Bearer {token}"}, **kwargs)


def assert_refused(response, status, code):
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "somebody-else"}, "token_not_for_us"),
        ({"aud": ["anuma-gateway", "somebody-else"]}, "token_not_for_us"),
        ({"aud": None}, "token_not_for_us"),
        ({"iss": "somebody-else"}, "token_not_for_us"),
        ({"iat": None}, "token_invalid"),
        ({"exp": None}, "token_invalid"),
        ({"exp": "soon"}, "token_invalid"),
        ({"exp": True}, "token_invalid"),
        ({"sub": None}, "token_invalid"),
        ({"sub": "olive"}, "token_invalid"),
        ({"acc": None}, "token_invalid"),
        ({"acc": 7}, "token_invalid"),
        ({"jti": None}, "token_invalid"),
        ({"jti": "short"}, "token_invalid"),
    ],
)
def test_claims_that_are_refused(dashboard, account, claims, code):
    assert_refused(dashboard.call("GET", account, claims=claims), 401, code)


@pytest.mark.parametrize(
    ("issued", "expires", "code"),
    [
        (-61, -1, "token_expired"),
        (0, 61, "token_lives_too_long"),
        (0, 10**9, "token_lives_too_long"),
        (30, 90, "token_lives_too_long"),
    ],
)
def test_times_that_are_refused(dashboard, account, issued, expires, code):
    now = int(dashboard.now())
    claims = {"iat": now + issued, "exp": now + expires}
    assert_refused(dashboard.call("GET", account, claims=claims), 401, code)


def test_no_token_and_garbage(dashboard, account):
    response = dashboard.http.get(f"/accounts/{account}")
    assert_refused(response, 401, "token_missing")
    assert response.headers["www-authenticate"] == "Bearer"
    for garbage in ("x", "a.b.c", "." * 10, "ey" * 4000):
        assert ask(dashboard, account, garbage).status_code == 401


def claims_of(dashboard, account):
    payload = dashboard.signer.token(dashboard.now(), account).split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))


def test_algorithms_that_are_refused(dashboard, account):
    claims, kid = claims_of(dashboard, account), dashboard.signer.kid

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    unsigned = f"{part({'alg': 'none', 'kid': kid})}.{part(claims)}."
    public = json.dumps(dashboard.signer.key.as_dict(private=False))
    confused = jwt.encode({"alg": "HS256", "kid": kid}, claims, OctKey.import_key(public))
    rsa = jwt.encode({"alg": "RS256", "kid": kid}, claims, RSAKey.generate_key(2048))
    other = jwt.encode({"alg": "ES256", "kid": kid}, claims, ECKey.generate_key("P-256"))
    for token in (unsigned, confused, rsa, other):
        assert_refused(ask(dashboard, account, token), 401, "token_invalid")


def test_a_key_in_its_own_header_is_not_trusted(dashboard, account):
    own = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "kid": "mine", "jwk": own.as_dict(private=False)}
    assert_refused(
        ask(dashboard, account, jwt.encode(header, claims_of(dashboard, account), own)), 401, "token_key_unknown"
    )


def test_a_token_is_good_for_one_write(dashboard, account):
    token = dashboard.signer.token(dashboard.now(), account)
    body = {"name": "Olive"}
    assert ask(dashboard, account, token, "PUT", body=body).status_code == 200
    assert_refused(ask(dashboard, account, token, "PUT", body=body), 401, "token_already_used")
    assert ask(dashboard, account, token).status_code == 200, "reading changes nothing"


WELL_FORMED = {"sub": str(uuid4())}


@pytest.mark.parametrize(
    "act", [WELL_FORMED, {}, None, "sam", {"sub": "sam"}, {"sub": "system:worker"}, WELL_FORMED | {"act": WELL_FORMED}]
)
def test_a_support_session_only_reads(dashboard, account, act):
    """Whatever `act` is, nothing is written; and one that does not name a person reads nothing either."""
    key = dashboard.new_key(account)
    claims = claims_of(dashboard, account)
    header = {"alg": "ES256", "kid": dashboard.signer.kid}

    def call(method, path, body=None):
        claims["jti"] = str(uuid4())
        token = jwt.encode(header, claims | {"act": act}, dashboard.signer.key)
        return dashboard.call(method, account, path, body=body, headers={"authorization": f"Bearer {token}"})

    writes = [
        ("PUT", "", {"name": "x"}),
        ("PUT", "/controls", {"epoch": 1, "controls": {}}),
        ("POST", "/keys", {"name": "x"}),
        ("DELETE", f"/keys/{key['id']}", None),
        ("POST", "/deletions", {"id": str(uuid4()), "scope": {"category": "request_content"}}),
        ("POST", "/canary", {"key_id": key["id"]}),
    ]
    for method, path, body in writes:
        assert_refused(call(method, path, body), 403, "support_session_read_only")
    for path in ("", "/keys", "/controls", "/requests", "/overview", "/data-state"):
        if act == WELL_FORMED:
            assert call("GET", path).status_code == 200
        else:
            assert_refused(call("GET", path), 401, "token_invalid")


@pytest.mark.parametrize(("scope", "status"), [("content metadata", 404), ("metadata", 403), (None, 403), (7, 403)])
def test_content_takes_its_scope_in_a_support_session(dashboard, account, scope, status):
    claims = claims_of(dashboard, account) | {"act": {"sub": str(uuid4())}, "scope": scope}
    token = jwt.encode({"alg": "ES256", "kid": dashboard.signer.kid}, claims, dashboard.signer.key)
    headers = {"authorization": f"Bearer {token}"}
    answer = dashboard.call("GET", account, f"/requests/{uuid4()}/content", headers=headers)
    assert_refused(answer, status, "not_found" if status == 404 else "support_scope_missing")


def test_nobody_acts_for_themselves(dashboard, account):
    person = str(uuid4())
    claims = claims_of(dashboard, account) | {"sub": person, "act": {"sub": person}}
    token = jwt.encode({"alg": "ES256", "kid": dashboard.signer.kid}, claims, dashboard.signer.key)
    assert_refused(ask(dashboard, account, token), 401, "token_invalid")


def test_who_reads_in_a_support_session_is_logged_with_whom_they_read_for(running, dashboard, account):
    person, sam = str(uuid4()), str(uuid4())
    claims = claims_of(dashboard, account) | {"sub": person, "act": {"sub": sam}}
    token = jwt.encode({"alg": "ES256", "kid": dashboard.signer.kid}, claims, dashboard.signer.key)
    assert ask(dashboard, account, token).status_code == 200
    lines = [line for line in running.settings.log_file.read_text().splitlines() if sam in line]
    assert len(lines) == 1
    assert "support_session_read" in lines[0]
    assert person in lines[0]


@pytest.mark.parametrize("acc", ["*", "other"])
def test_another_accounts_token_finds_nothing(dashboard, account, acc):
    key = dashboard.new_key(account)
    stranger = str(dashboard.new_account()) if acc == "other" else acc
    paths = ["", "/overview", "/data-state", "/keys", f"/keys/{key['id']}", "/controls", "/requests", "/inventory"]
    for path in paths:
        assert_refused(dashboard.call("GET", account, path, claims={"acc": stranger}), 404, "not_found")
    for method, path, body in (("PUT", "", {"name": "x"}), ("DELETE", f"/keys/{key['id']}", None)):
        response = dashboard.call(method, account, path, body=body, claims={"acc": stranger})
        assert_refused(response, 404, "not_found")
    assert dashboard.get(account, f"/keys/{key['id']}")["state"] == "active"


def test_another_accounts_objects_are_missing(running, dashboard, account):
    """The right account in path and token, the wrong object."""
    other = dashboard.new_account()
    key = dashboard.new_key(other)
    running.chat(key["secret"])
    request_id = dashboard.requests(other)[0]["id"]
    paths = [f"/keys/{key['id']}", f"/requests/{request_id}", f"/requests/{request_id}/content"]
    for path in paths:
        assert_refused(dashboard.call("GET", account, path), 404, "not_found")
    assert_refused(dashboard.call("DELETE", account, f"/keys/{key['id']}"), 404, "not_found")
    response = dashboard.call("GET", account, "/effective-policy", params={"key": key["id"]})
    assert_refused(response, 404, "not_found")
    assert running.chat(key["secret"]).status_code == 200


def test_a_missing_account_answers_like_another_ones(dashboard):
    assert_refused(dashboard.call("GET", uuid4(), "/keys"), 404, "not_found")


def test_a_new_key_is_picked_up_and_an_old_one_dropped(running, dashboard, account):
    path, old = running.settings.trusted_jwks_file, dashboard.signer
    new = Signer("dashboard-2")

    def works(signer):
        token = signer.token(dashboard.now(), account)
        return ask(dashboard, account, token).status_code == 200

    try:
        assert not works(new)
        old.publish(path, new)
        assert works(new)
        assert works(old)
        Signer("dashboard-3").publish(path, old, new)
        assert works(new), "a file with three keys changes nothing"
        path.write_text("{")
        assert works(new), "neither does a broken one"
        new.publish(path)
        assert works(new)
        assert not works(old), "what was taken out is not trusted any more"
    finally:
        old.publish(path)
    assert works(old)
    assert not works(new)
