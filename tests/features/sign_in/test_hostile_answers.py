"""Every other answer of a provider that can be wrong: description, keys, tokens, userinfo, the way back."""

from __future__ import annotations

import gzip
import json
import threading
from types import SimpleNamespace

import pytest

from anuma_dash.features.sign_in import documents, signatures
from anuma_dash.features.sign_in.documents import ProviderDocuments
from tests.features.sign_in.hostile import EC, RSA, HostileProvider, Raw, provider_of
from tests.features.sign_in.test_hostile_id_tokens import refused, stored
from tests.servers import serve

DISCOVERY, JWKS, TOKEN, USERINFO = "/.well-known/openid-configuration", "/jwks.json", "/token", "/userinfo"
SILENT = "Hostile does not answer."
WRONG = "Hostile does not answer as it should."
INCOMPLETE = "Hostile describes itself incompletely."
NO_EMAIL = {"claims": lambda right: {name: value for name, value in right.items() if name != "email"}}
GARBAGE = {
    "garbage": (Raw(200, b"\x00\xff garbage"), WRONG),
    "HTML": (Raw(200, b"<h1>Sign in</h1>"), WRONG),
    "a list": (Raw(200, b"[]"), WRONG),
    "NaN": (Raw(200, b'{"issuer": NaN}'), WRONG),
    "nested without end": (Raw(200, b'{"a":' + b"[" * 100_000), WRONG),
    "nothing": (Raw(200, b""), WRONG),
    "500": (Raw(500, b"{}"), WRONG),
    "204": (Raw(204), WRONG),
    "huge": (Raw(200, (b" " * 65_536 for _ in range(1000))), SILENT),
    "compressed": (Raw(200, gzip.compress(b"{}"), (("content-encoding", "gzip"),)), SILENT),
}


def down(journey, words):
    """Try to sign in, and read in these words that the provider cannot be used; nothing is stored."""
    before = stored(journey.world)
    journey.sign_in()
    assert journey.status == 503
    assert words in journey.text or "Hostile does not answer right now" in journey.text
    assert "Continue with Hostile" in journey.text
    assert "Traceback" not in journey.text
    assert stored(journey.world) == before


@pytest.mark.parametrize(
    ("path", "name"),
    [(path, name) for path in (DISCOVERY, TOKEN) for name in GARBAGE]
    + [(path, name) for path in (JWKS, USERINFO) for name in ("garbage", "a list", "500", "huge")],
)
def test_garbage_is_no_answer(journey, hostile, path, name):
    answer, words = GARBAGE[name]
    if name == "huge":
        answer = Raw(200, (b" " * 65_536 for _ in range(1000)))
    hostile.behave(raw={path: answer}, **(NO_EMAIL if path == USERINFO else {}))

    down(journey, words)

    assert hostile.asked[path] == 1


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, TOKEN, USERINFO])
def test_a_redirect_is_not_followed(journey, hostile, path):
    other = HostileProvider(hostile.clock)
    with serve(other) as other.issuer:
        hostile.behave(
            raw={path: Raw(307, b"", (("location", other.issuer + path),))}, **(NO_EMAIL if path == USERINFO else {})
        )
        down(journey, WRONG)
    assert not other.asked


@pytest.mark.parametrize("path", [DISCOVERY, JWKS, TOKEN, USERINFO])
def test_an_answer_in_drops_does_not_hold_a_thread(journey, hostile, path, monkeypatch):
    monkeypatch.setattr("anuma_dash.outbound.DEADLINE_SECONDS", 0.2)
    left, fallen = threading.Event(), threading.Event()

    def drops():
        for _ in range(1200):
            if left.is_set():
                return
            yield b" "
        fallen.set()

    hostile.behave(raw={path: Raw(200, drops(), pause=0.05)}, **(NO_EMAIL if path == USERINFO else {}))

    down(journey, SILENT)

    assert not fallen.is_set(), "every drop was waited for"
    left.set()
    assert hostile.asked[path] == 1


class TestDescription:
    """OpenID Connect Discovery 1.0, 4.3, and where its addresses may lead."""

    @pytest.mark.parametrize("issuer", ["https://evil.example", "", None])
    def test_another_issuer_is_refused(self, journey, hostile, issuer):
        hostile.behave(discovery=lambda right: right | {"issuer": issuer})
        before = stored(journey.world)

        journey.sign_in()

        assert journey.status == 403
        assert "The provider's own description names another provider." in journey.text
        assert stored(journey.world) == before

    @pytest.mark.parametrize(
        ("name", "address"),
        [
            *(("jwks_uri", address) for address in (None, 7, "", "file:///etc/passwd", "http://", "//e", "http://[")),
            ("authorization_endpoint", "javascript:alert(1)"),
            ("token_endpoint", None),
        ],
    )
    def test_a_needed_address_that_is_none(self, journey, hostile, name, address):
        hostile.behave(discovery=lambda right: right | {name: address})

        down(journey, INCOMPLETE)

    def test_an_optional_address_that_is_none(self, journey, hostile):
        hostile.behave(discovery=lambda right: right | {"end_session_endpoint": "javascript:alert(1)"})

        down(journey, INCOMPLETE)

    def test_an_issuer_on_https_cannot_lead_to_plain_http(self, hostile):
        secure = ProviderDocuments(provider_of(hostile).model_copy(update={"issuer": "https://id.example"}))

        assert secure._is_address("https://keys.example/jwks.json")
        assert not secure._is_address("http://keys.example/jwks.json")

    @pytest.mark.parametrize(
        ("name", "path", "host"),
        [
            *(("jwks_uri", JWKS, host) for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433")),
            ("token_endpoint", TOKEN, "127.0.0.1"),
            ("userinfo_endpoint", USERINFO, "0.0.0.0"),
        ],
    )
    def test_no_address_of_the_inside_is_asked(self, journey, hostile, name, path, host):
        inside = HostileProvider(hostile.clock)
        with serve(inside) as inside.issuer:
            port = inside.issuer.rpartition(":")[2]
            hostile.behave(discovery=lambda right: right | {name: f"http://{host}:{port}{path}"}, **NO_EMAIL)
            down(journey, SILENT)
        assert not inside.asked


class TestKeys:
    """When keys are fetched again, and when not."""

    def test_a_new_signing_key_is_picked_up_by_the_sign_in_that_needs_it(self, journey, hostile):
        assert journey.sign_in().arrived_at == "/activity"
        new = type(EC).generate_key("P-256", {"kid": "ec-2", "use": "sig"})
        hostile.keys, hostile.lies.key = [new], new

        assert journey.sign_in().arrived_at == "/activity"
        assert hostile.asked[JWKS] == 2

        hostile.lies.key = EC
        refused(journey, "its key is none that the provider publishes")

    def test_a_thousand_unknown_keys_are_a_few_requests(self, journey, hostile, monkeypatch):
        signed = signatures.SignedTokens(ProviderDocuments(provider_of(hostile)), signatures.ID_TOKEN)
        for number in range(1000):
            with pytest.raises(documents.SignInRefused, match="key is none"):
                signed._key({"alg": "ES256", "kid": f"made-up-{number}"})
        assert hostile.asked[JWKS] == 1 + signatures.ID_TOKEN.key_fetches_a_minute

    def test_the_allowance_comes_back_with_time(self, monkeypatch):
        times = iter([0.0, 1.0, 59.0, 60.5, 61.5, 62.0])
        monkeypatch.setattr(documents, "time", SimpleNamespace(monotonic=lambda: next(times)))
        allowance = documents.Allowance(2, 60)

        assert [allowance.take() for _ in range(6)] == [True, True, False, True, True, False]

    def test_they_are_kept_between_sign_ins(self, journey, hostile):
        for key in (EC, RSA, EC):
            hostile.lies.key = key
            assert journey.sign_in().arrived_at == "/activity"

        assert (hostile.asked[DISCOVERY], hostile.asked[JWKS], hostile.asked[TOKEN]) == (1, 1, 3)


class TestTokens:
    """The token endpoint (OpenID Connect Core 1.0, 3.1.3)."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param({"id_token": None}, "sent no ID token", id="no ID token"),
            pytest.param({"id_token": ""}, "sent no ID token", id="empty ID token"),
            pytest.param({"id_token": 7}, "sent no ID token", id="ID token a number"),
            pytest.param({"token_type": "mac"}, "a kind of token that this site does not use", id="token_type"),
            pytest.param({"token_type": None}, "a kind of token that this site does not use", id="no token_type"),
            pytest.param({"access_token": 7}, "a kind of token that this site does not use", id="access token"),
        ],
    )
    def test_tokens_are_refused(self, journey, hostile, change, words):
        hostile.behave(tokens=lambda right: right | change)
        hostile.last_id_token = ""

        refused(journey, words)

    @pytest.mark.parametrize("status", [400, 401, 418])
    def test_a_code_that_it_does_not_take(self, journey, hostile, status):
        hostile.behave(raw={TOKEN: Raw(status, json.dumps({"error": "invalid_grant"}).encode())})
        hostile.last_id_token = ""

        refused(journey, "did not accept the code")

    def test_the_type_may_be_written_small(self, journey, hostile):
        hostile.behave(tokens=lambda right: right | {"token_type": "bearer"})

        assert journey.sign_in().arrived_at == "/activity"


class TestUserinfo:
    """Asked only for what the ID token lacks (OpenID Connect Core 1.0, 5.3.2)."""

    def test_what_the_id_token_lacks_comes_from_there(self, journey, hostile):
        hostile.behave(**NO_EMAIL)

        assert journey.sign_in().arrived_at == "/activity"
        assert hostile.asked[USERINFO] == 1

    @pytest.mark.parametrize("subject", ["somebody-else", None, ["olive"]])
    def test_another_person_there_is_refused(self, journey, hostile, subject):
        hostile.behave(userinfo=lambda right: right | {"sub": subject}, **NO_EMAIL)

        refused(journey, "told us about two different people")

    @pytest.mark.parametrize("token", ["line\r\nX-Evil: 1", "é", "x" * 300_000])
    def test_an_access_token_that_no_header_can_bear(self, journey, hostile, token):
        hostile.behave(tokens=lambda right: right | {"access_token": token}, **NO_EMAIL)

        journey.sign_in()

        assert journey.status == 503
        assert hostile.asked[USERINFO] == 0


class TestWayBack:
    """The parameters of the callback (RFC 9207, RFC 6749)."""

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            pytest.param({"iss": "https://evil.example"}, "(RFC 9207)", id="iss wrong"),
            pytest.param({"iss": ""}, "(RFC 9207)", id="iss empty"),
            pytest.param({"iss": []}, "(RFC 9207)", id="iss absent where advertised"),
            pytest.param({"state": "guessed"}, "does not belong to the sign-in", id="state wrong"),
            pytest.param({"code": ["code-1", "code-2"]}, "says the same thing twice", id="code twice"),
            pytest.param({"code": []}, "sent no code", id="no code"),
            pytest.param({"error": "access_denied"}, "Hostile did not sign you in", id="error"),
        ],
    )
    def test_an_answer_is_refused(self, journey, hostile, change, words):
        hostile.behave(callback=lambda right: right | change)
        hostile.last_id_token = ""

        refused(journey, words)

    def test_without_iss_where_it_is_not_advertised(self, journey, hostile):
        hostile.behave(
            discovery=lambda right: right | {"authorization_response_iss_parameter_supported": False},
            callback=lambda right: right | {"iss": []},
        )

        assert journey.sign_in().arrived_at == "/activity"

    def test_a_wrong_iss_even_where_it_is_not_advertised(self, journey, hostile):
        hostile.behave(
            discovery=lambda right: right | {"authorization_response_iss_parameter_supported": None},
            callback=lambda right: right | {"iss": "https://evil.example"},
        )
        hostile.last_id_token = ""

        refused(journey, "(RFC 9207)")
