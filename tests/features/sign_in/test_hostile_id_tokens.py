"""Every way in which an ID token can be wrong, from a provider that sends it; and what must not be refused."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey
from sqlalchemy import func, select
from structlog.testing import capture_logs

from anuma_dash.db import Base
from anuma_dash.web.sessions import BrowserSession
from tests.features.sign_in.hostile import CLIENT_ID, CLIENT_SECRET, EC, RSA, b64, signed

OTHER_EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
EVIL = "https://evil.example"


def claims(**changed):
    """The right claims, but for these; a time is a number of seconds from now, `None` leaves a claim out."""

    def change(right):
        now = right["iat"]
        late = {name: now + value for name, value in changed.items() if name in TIMES and type(value) is int}
        return {name: value for name, value in (right | changed | late).items() if value is not None}

    return {"claims": change}


def header(**changed):
    return {"header": lambda right: {name: value for name, value in (right | changed).items() if value is not None}}


def by_hmac(algorithm, secret):
    def sign(head, said):
        first = f"{b64(head | {'alg': algorithm})}.{b64(said)}"
        return f"{first}.{b64(hmac.digest(secret, first.encode(), hashlib.sha256))}"

    return {"sign": sign}


def by(key, **more):
    """Signed by another key than the header says."""
    return {"sign": lambda head, said: signed(head | more, said, key)}


def unsigned(algorithm):
    return {"sign": lambda head, said: f"{b64({'alg': algorithm})}.{b64(said)}."}


def raw(payload):
    return {"sign": lambda head, said: signed(head, payload)}


TIMES = ("exp", "iat", "nbf", "auth_time")
ALGORITHM = "its algorithm is not one that was agreed on"
OWN_KEY = "its header brings its own key"
SIGNATURE = "its signature does not hold"
UNKNOWN_KEY = "its key is none that the provider publishes"
TYPE = "its type is another one"
ELSE = "meant for somebody else"
ISSUED = "issued to somebody else"
NONCE = "belongs to another sign-in"
WHO = "does not say who you are"
UNREADABLE = "its claims cannot be read"

REFUSED = {
    "alg none": (unsigned("none"), ALGORITHM),
    "alg None": (unsigned("None"), ALGORITHM),
    "alg missing": ({"sign": lambda head, said: f"{b64({'typ': 'JWT'})}.{b64(said)}."}, "its form is that of no token"),
    "HS256 with the client secret": (by_hmac("HS256", CLIENT_SECRET.encode()), ALGORITHM),
    "HS256 with the public key": (by_hmac("HS256", RSA.as_pem(private=False)), ALGORITHM),
    "ES384": (header(alg="ES384"), ALGORITHM),
    "another key of the same name": (by(OTHER_EC), SIGNATURE),
    "a signature of another token": (
        {"sign": lambda head, said: ".".join([*signed(head, said).split(".")[:2], signed(head, b"{}").split(".")[2]])},
        SIGNATURE,
    ),
    "no signature": ({"sign": lambda head, said: signed(head, said).rpartition(".")[0] + "."}, SIGNATURE),
    "jwk": (by(OTHER_EC, jwk=OTHER_EC.as_dict(private=False)), OWN_KEY),
    "jku": (by(OTHER_EC, jku=f"{EVIL}/jwks.json"), OWN_KEY),
    "x5c": (by(OTHER_EC, x5c=["MIIB"]), OWN_KEY),
    "x5u": (by(OTHER_EC, x5u=f"{EVIL}/cert.pem"), OWN_KEY),
    "crit": (by(EC, crit=["exp"]), "what this site does not understand"),
    "b64": (by(EC, b64=False), "its form is that of no token"),
    "typ logout+jwt": (header(typ="logout+jwt"), TYPE),
    "typ at+jwt": (header(typ="at+jwt"), TYPE),
    "typ is no text": (header(typ=["JWT"]), TYPE),
    "unknown kid": (header(kid="made-up"), UNKNOWN_KEY),
    "kid is no text": (header(kid=["ec-1"]), UNKNOWN_KEY),
    "kid of a key of another kind": (header(kid="rsa-1"), UNKNOWN_KEY),
    "over 16 KB": (claims(padding="x" * 12_300), "its size is more than 16 KB"),
    "no token at all": ({"sign": lambda *_: "garbage"}, "its form is that of no token"),
    "a header that is a list": ({"sign": lambda *_: f"{b64('[1]')}.{b64('{}')}.AAAA"}, "its form is that of no token"),
    "claims that are a list": (raw(b'["sub"]'), UNREADABLE),
    "claims with NaN": (raw(b'{"exp": NaN}'), UNREADABLE),
    "claims that are nested without end": (raw(b"[" * 11_000), UNREADABLE),
    "claims with half a character": (raw(b'{"sub": "\\ud800"}'), UNREADABLE),
    "iss wrong": (claims(iss=EVIL), "another provider's"),
    "iss with a slash more": ({"claims": lambda right: right | {"iss": right["iss"] + "/"}}, "another provider's"),
    "iss missing": (claims(iss=None), "another provider's"),
    "aud wrong": (claims(aud="somebody-else"), ELSE),
    "aud missing": (claims(aud=None), ELSE),
    "aud list without us": (claims(aud=["somebody-else"]), ELSE),
    "aud an object": (claims(aud={CLIENT_ID: 1}), ELSE),
    "aud several without azp": (claims(aud=[CLIENT_ID, "somebody-else"]), ISSUED),
    "azp wrong": (claims(azp="somebody-else"), ISSUED),
    "aud several with another azp": (claims(aud=[CLIENT_ID, "x"], azp="x"), ISSUED),
    "nonce wrong": (claims(nonce="guessed"), NONCE),
    "nonce missing": (claims(nonce=None), NONCE),
    "nonce is no text": (claims(nonce=["guessed"]), NONCE),
    "nonce not in ASCII": (claims(nonce="é"), NONCE),
    "expired 30 s ago": (claims(exp=-30), "has expired"),
    "exp missing": (claims(exp=None), "lacks exp"),
    "exp is text": (claims(exp="9999999999"), "lacks exp"),
    "exp is true": (claims(exp=True), "lacks exp"),
    "exp beyond all clocks": (claims(exp=10**400), "lacks exp"),
    "iat 31 s ahead": (claims(iat=31), "from the future"),
    "iat missing": (claims(iat=None), "lacks iat"),
    "nbf 31 s ahead": (claims(nbf=31), "not valid yet"),
    "sub missing": (claims(sub=None), WHO),
    "sub empty": (claims(sub=""), WHO),
    "sub is a number": (claims(sub=7), WHO),
    "sub of 256 characters": (claims(sub="x" * 256), WHO),
    "sub with a control character": (claims(sub="olive\x00"), WHO),
    "sid is a number": (claims(sid=7), "a session that cannot be read"),
    "auth_time is text": (claims(auth_time="now"), "lacks auth_time"),
    "auth_time 31 s ahead": (claims(auth_time=31), "asked who you are in the future"),
    "auth_time before all clocks": (claims(auth_time=-(10**15)), "lacks auth_time"),
}
ACCEPTED = {
    "as it should be": {},
    "RS256": {"key": RSA},
    "typ JWT": header(typ="JWT"),
    "typ application/jwt": header(typ="application/jwt"),
    "no kid, one key that fits": header(kid=None),
    "expired 29 s ago": claims(exp=-29),
    "iat 30 s ahead": claims(iat=30),
    "auth_time 30 s ahead": claims(auth_time=30),
    "no auth_time": claims(auth_time=None),
    "aud a list of us": claims(aud=[CLIENT_ID]),
    "aud several with our azp": claims(aud=[CLIENT_ID, "other"], azp=CLIENT_ID),
    "sub of 255 characters": claims(sub="x" * 255),
    "just below 16 KB": claims(padding="x" * 11_000),
}


def stored(world):
    """How many rows every table has."""
    with world.db.reading() as tx:
        return {table.name: tx.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables}


def refused(journey, words, person=None):
    """Sign in and be refused in these words, with nothing stored, shown or logged."""
    before = stored(journey.world)
    if person:
        before["sessions"] += 1
    with capture_logs() as logs:
        journey.sign_in(person)
    assert (journey.status, journey.heading) == (403, "You could not be signed in")
    assert words in journey.text
    assert stored(journey.world) == before
    told = f"{journey.text} {logs}"
    secrets = [journey.provider.person.email, "the-access-token", "Traceback", CLIENT_SECRET]
    secrets += [part for part in journey.provider.last_id_token.split(".") if len(part) > 8]
    assert not [secret for secret in secrets if secret in told]
    assert [entry["reason"] for entry in logs if entry["event"] == "sign-in refused"]


@pytest.mark.parametrize("name", REFUSED)
def test_an_id_token_is_refused(journey, hostile, name):
    lies, words = REFUSED[name]
    hostile.behave(**lies)

    refused(journey, words)


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_id_token_is_accepted(journey, hostile, name):
    hostile.behave(**ACCEPTED[name])

    assert journey.sign_in().arrived_at in ("/activity", "/welcome")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param([], UNKNOWN_KEY, id="none"),
        pytest.param([{"use": "enc"}], UNKNOWN_KEY, id="for encryption"),
        pytest.param([{"key_ops": ["encrypt"]}], UNKNOWN_KEY, id="not to verify with"),
        pytest.param([{"key_ops": 7}], UNKNOWN_KEY, id="key_ops a number"),
        pytest.param([{"alg": "ES384"}], UNKNOWN_KEY, id="for another algorithm"),
        pytest.param([{}, {"x": EC.as_dict()["y"]}], UNKNOWN_KEY, id="two of one kid"),
        pytest.param([{"crv": "P-384"}], UNKNOWN_KEY, id="another curve"),
        pytest.param([{"x": EC.as_dict()["y"]}], SIGNATURE, id="no point of the curve"),
        pytest.param([{"x": None}], SIGNATURE, id="without its numbers"),
        pytest.param([OctKey.import_key(CLIENT_SECRET, {"kid": "ec-1"}).as_dict()], UNKNOWN_KEY, id="symmetric"),
    ],
)
def test_a_published_key_is_not_used(journey, hostile, keys, words):
    right = EC.as_dict(private=False)
    hostile.behave(jwks=lambda _: {"keys": [key if "k" in key else right | key for key in keys]})

    refused(journey, words)


def test_a_weak_key_is_not_used(journey, hostile):
    with pytest.warns(match="2048"):
        weak = RSAKey.generate_key(1024, {"kid": "rsa-1"})
    hostile.behave(key=weak, jwks=lambda _: {"keys": [weak.as_dict(private=False)]})

    refused(journey, "its key is too weak")


@pytest.mark.parametrize(
    "others", [[{"kty": "new"}, {"kty": "EC"}, 7], [{"kty": "oct", "kid": n} for n in range(5000)]]
)
def test_keys_that_cannot_be_used_do_not_hide_the_one_that_can(journey, hostile, others):
    hostile.behave(jwks=lambda right: {"keys": [*others, *right["keys"]]})

    assert journey.sign_in().arrived_at == "/activity"


class TestReauthentication:
    """The provider was told to ask anew: it has to say when it did."""

    @pytest.mark.parametrize(
        ("lies", "words"),
        [
            pytest.param(claims(auth_time=None), "lacks auth_time", id="absent"),
            pytest.param(claims(auth_time="now"), "lacks auth_time", id="text"),
            pytest.param(claims(auth_time=-31), "did not ask you again who you are", id="older than asked"),
            pytest.param(claims(auth_time=31), "asked who you are in the future", id="in the future"),
        ],
    )
    def test_an_auth_time_is_refused(self, journey, hostile, lies, words):
        hostile.behave(**lies)

        refused(journey, words, journey.world.olive)

    @pytest.mark.parametrize("seconds", [0, -30])
    def test_a_fresh_one_is_accepted(self, journey, hostile, seconds):
        hostile.behave(**claims(auth_time=seconds))

        assert journey.sign_in(journey.world.olive).arrived_at == "/activity"


class TestClassOfAuthentication:
    """What the deployment asks for as `acr_values`, the provider has to confirm."""

    @pytest.fixture(autouse=True)
    def strong(self, journey, hostile):
        journey.fresh_start(acr_values="mfa hardware")
        yield
        journey.fresh_start(acr_values=None)

    @pytest.mark.parametrize("acr", [None, "pwd", "", ["mfa"], "mfa hardware"])
    def test_a_weaker_one_is_refused(self, journey, hostile, acr):
        hostile.behave(**claims(acr=acr))

        refused(journey, "in a weaker way than this site asks for")

    def test_the_one_that_was_asked_for_is_accepted(self, journey, hostile):
        hostile.behave(**claims(acr="hardware"))

        assert journey.sign_in().arrived_at == "/activity"


def test_a_sign_in_remembers_what_the_provider_calls_its_session(journey, hostile):
    journey.sign_in()

    assert journey.world.rows(BrowserSession)[-1].sid == "provider-session-1"
