"""A provider says that a session there has ended: what is believed, and which sessions here end with it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import update

from anuma_dash.audit import AuditEntry
from anuma_dash.features.sign_in import signatures
from anuma_dash.features.sign_in.models import UsedLogoutToken
from anuma_dash.web.sessions import BrowserSession
from tests.features.sign_in.hostile import CLIENT_ID, EC, RSA, Raw, b64, signed
from tests.features.sign_in.test_hostile_id_tokens import by_hmac, refused

EVENT = "http://schemas.openid.net/event/backchannel-logout"
ADDRESS = "/sign-in/hostile/back-channel-logout"
OTHER_EC = ECKey.generate_key("P-256", {"kid": "ec-1"})
SIGNATURE = "its signature does not hold"
ALGORITHM = "its algorithm is not one that was agreed on"
TYPE = "its type is another one"


@pytest.fixture
def olive(journey, hostile):
    """Olive, signed in through the provider."""
    with journey.world.db.transaction() as tx:
        tx.execute(update(BrowserSession).values(ended_at=journey.world.clock.now))
    browser, session = start(journey, journey.world.olive, "sid-1")
    return browser, session


def start(journey, person, sid):
    """A new browser of somebody whose session at the provider has this name."""
    browser = journey.world.browser(person)
    session = journey.world.rows(BrowserSession)[-1]
    with journey.world.db.transaction() as tx:
        tx.get_one(BrowserSession, session.id).sid = sid
    return browser, session.id


def token_for(journey, *, key=EC, header=None, drop=(), sign=None, **changed):
    """A logout token of Olive's session; a time in `changed` is a number of seconds from now."""
    now = int(journey.world.clock.now.timestamp())
    claims = {
        "iss": journey.provider.issuer,
        "aud": CLIENT_ID,
        "sub": journey.world.olive.subject,
        "sid": "sid-1",
        "iat": now,
        "exp": now + 120,
        "jti": f"jti-{len(journey.world.rows(UsedLogoutToken))}",
        "events": {EVENT: {}},
    }
    late = {name: now + value for name, value in changed.items() if name in ("iat", "exp", "nbf")}
    claims = {name: value for name, value in (claims | changed | late).items() if name not in drop}
    head = {"alg": "RS256" if key is RSA else "ES256", "kid": key.kid, "typ": "logout+jwt"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    return sign(head, claims) if sign else signed(head, claims, key)


def send(journey, *tokens):
    """What the provider gets back; it bears no cookie and comes from no page of ours."""
    stranger = journey.world.app.test_client()
    return stranger.post(ADDRESS, data={"logout_token": list(tokens)}, base_url=journey.world.settings.public_url)


def alive(journey):
    """The sessions that have not ended."""
    return {row.id for row in journey.world.rows(BrowserSession, ended_at=None)}


def unsigned(head, claims):
    return f"{b64(head | {'alg': 'none'})}.{b64(claims)}."


REFUSED = {
    "alg none": ({"sign": unsigned}, ALGORITHM),
    "HS256 with the public key": (by_hmac("HS256", EC.as_pem(private=False)), ALGORITHM),
    "another key of the same name": ({"sign": lambda head, said: signed(head, said, OTHER_EC)}, SIGNATURE),
    "a key in its own header": ({"header": {"jwk": OTHER_EC.as_dict(private=False)}}, "brings its own key"),
    "unknown kid": ({"header": {"kid": "made-up"}}, "its key is none that the provider publishes"),
    "typ missing": ({"header": {"typ": None}}, TYPE),
    "typ JWT": ({"header": {"typ": "JWT"}}, TYPE),
    "iss wrong": ({"iss": "https://evil.example"}, "another provider's"),
    "aud wrong": ({"aud": "somebody-else"}, "meant for somebody else"),
    "aud missing": ({"drop": ("aud",)}, "meant for somebody else"),
    "expired 30 s ago": ({"exp": -30}, "has expired"),
    "exp missing": ({"drop": ("exp",)}, "lacks exp"),
    "iat 31 s ahead": ({"iat": 31}, "from the future"),
    "iat missing": ({"drop": ("iat",)}, "lacks iat"),
    "of eleven minutes ago": ({"iat": -631}, "too old"),
    "nonce": ({"nonce": "a-nonce"}, "bears a nonce"),
    "nonce null": ({"nonce": None}, "bears a nonce"),
    "events missing": ({"drop": ("events",)}, "names no logout"),
    "events a list": ({"events": [EVENT]}, "names no logout"),
    "another event": ({"events": {"http://schemas.openid.net/event/other": {}}}, "names no logout"),
    "an event that is no object": ({"events": {EVENT: True}}, "names no logout"),
    "jti missing": ({"drop": ("jti",)}, "lacks jti"),
    "jti a number": ({"jti": 7}, "lacks jti"),
    "neither sub nor sid": ({"drop": ("sub", "sid")}, "whose session ended"),
    "sub a list": ({"sub": ["olive"]}, "whose session ended"),
    "sid too long": ({"sid": "x" * 256}, "whose session ended"),
    "over 16 KB": ({"padding": "x" * 12_300}, "its size is more than 16 KB"),
    "garbage": ({"sign": lambda *_: "garbage"}, "its form is that of no token"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_logout_token_is_refused(journey, olive, name):
    lies, words = REFUSED[name]

    answer = send(journey, token_for(journey, **lies))

    assert answer.status_code == 400
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["error"] == "invalid_request"
    assert words in answer.json["error_description"]
    assert alive(journey) == {olive[1]}
    assert journey.world.rows(UsedLogoutToken) == []


@pytest.mark.parametrize("tokens", [0, 2])
def test_there_must_be_exactly_one(journey, olive, tokens):
    answer = send(journey, *[token_for(journey)] * tokens)

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert alive(journey) == {olive[1]}


def test_an_id_token_signs_nobody_out(journey, olive):
    journey.sign_in()
    before = alive(journey)

    assert send(journey, journey.provider.last_id_token).status_code == 400
    assert alive(journey) == before


def test_a_logout_token_signs_nobody_in(journey, olive):
    journey.provider.lies.tokens = lambda right: right | {"id_token": token_for(journey)}

    refused(journey, "type is another one")


class TestGoodToken:
    """It ends what it names, at once, and is good once."""

    @pytest.fixture(autouse=True)
    def forgotten(self, journey, olive):
        yield
        with journey.world.db.transaction() as tx:
            tx.query(UsedLogoutToken).delete()

    def test_the_session_ends_and_it_is_recorded(self, journey, olive):
        browser, _ = olive
        assert browser.visit("/activity").heading == "Activity"

        answer = send(journey, token_for(journey))

        assert (answer.status_code, answer.text, answer.headers["Cache-Control"]) == (200, "", "no-store")
        assert browser.visit("/activity").heading == "Sign in"
        entry = journey.world.rows(AuditEntry, chain=journey.world.northwind)[-1]
        assert (entry.event, entry.actor_kind, entry.actor_id) == ("session.ended_by_provider", "provider", None)
        again = journey.world.browser(journey.world.olive).visit("/activity")
        assert f"Hostile ended a session of {journey.world.olive.name}" in again.text

    def test_only_the_session_that_it_names(self, journey, olive):
        _, other = start(journey, journey.world.olive, "sid-2")
        _, ada = start(journey, journey.world.ada, "sid-1")

        assert send(journey, token_for(journey)).status_code == 200
        assert alive(journey) == {other, ada}

    def test_by_sid_alone(self, journey, olive):
        _, other = start(journey, journey.world.olive, "sid-2")

        assert send(journey, token_for(journey, drop=("sub",))).status_code == 200
        assert alive(journey) == {other}

    def test_by_person_alone_all_of_theirs(self, journey, olive):
        start(journey, journey.world.olive, "sid-2")
        _, ada = start(journey, journey.world.ada, "sid-3")

        assert send(journey, token_for(journey, drop=("sid",))).status_code == 200
        assert alive(journey) == {ada}

    def test_a_session_of_which_the_name_is_not_known_may_be_the_one(self, journey, olive):
        start(journey, journey.world.olive, None)
        _, ada = start(journey, journey.world.ada, None)

        assert send(journey, token_for(journey, sid="sid-9")).status_code == 200
        assert alive(journey) == {olive[1], ada}

    def test_of_another_issuer_nothing_ends(self, journey, olive):
        with journey.world.db.transaction() as tx:
            tx.get_one(BrowserSession, olive[1]).issuer = "https://other.example"

        assert send(journey, token_for(journey)).status_code == 200
        assert alive(journey) == {olive[1]}

    def test_where_nobody_is_signed_in_it_is_fine(self, journey, olive):
        assert send(journey, token_for(journey, sub="unknown", sid="unknown")).status_code == 200
        assert alive(journey) == {olive[1]}

    def test_rs256_and_a_list_of_audiences(self, journey, olive):
        assert send(journey, token_for(journey, key=RSA, aud=["other", CLIENT_ID])).status_code == 200
        assert alive(journey) == set()

    def test_the_same_token_again_is_refused(self, journey, olive):
        token = token_for(journey, exp=3600)
        assert send(journey, token).status_code == 200
        _, later = start(journey, journey.world.olive, "sid-1")

        for minutes in (0, 5, 5, 1):
            journey.world.clock.advance(minutes=minutes)
            assert send(journey, token).status_code == 400
        assert alive(journey) == {later}

    def test_used_tokens_are_forgotten_when_they_are_too_old_anyway(self, journey, olive):
        assert send(journey, token_for(journey, jti="first")).status_code == 200
        (used,) = journey.world.rows(UsedLogoutToken)
        assert used.remember_until == journey.world.clock.now + timedelta(minutes=11)
        journey.world.clock.advance(minutes=12)

        assert send(journey, token_for(journey, jti="second")).status_code == 200
        assert len(journey.world.rows(UsedLogoutToken)) == 1

    def test_good_tokens_are_never_too_many_and_bad_ones_are(self, journey, olive):
        for number in range(70):
            assert send(journey, token_for(journey, jti=f"many-{number}")).status_code == 200
        statuses = [send(journey, "garbage").status_code for _ in range(61)]
        assert statuses == [400] * 60 + [429]


def test_many_unknown_keys_are_a_few_requests_and_hinder_no_sign_in(journey, olive):
    journey.sign_in()
    before = journey.provider.asked["/jwks.json"]
    for number in range(50):
        assert send(journey, token_for(journey, header={"kid": f"made-up-{number}"})).status_code == 400
    assert journey.provider.asked["/jwks.json"] - before == signatures.LOGOUT_TOKEN.key_fetches_a_minute

    new = ECKey.generate_key("P-256", {"kid": "ec-2", "use": "sig"})
    journey.provider.keys, journey.provider.lies.key = [new], new
    assert journey.sign_in().arrived_at == "/activity"


def test_without_the_providers_keys_nothing_ends(journey, olive):
    journey.provider.behave(raw={"/jwks.json": Raw(500)})

    answer = send(journey, token_for(journey))

    assert (answer.status_code, answer.json["error"]) == (400, "temporarily_unavailable")
    assert alive(journey) == {olive[1]}


def test_it_is_no_page(journey, hostile):
    client = journey.world.app.test_client()
    origin = journey.world.settings.public_url

    assert client.get(ADDRESS, base_url=origin).status_code == 405
    assert client.post("/sign-in/nobody/back-channel-logout", base_url=origin).status_code == 404
