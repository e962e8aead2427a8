"""Back-channel logout: what the dashboard is told when a session ends at the sandbox."""

import socket

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from structlog.testing import capture_logs

EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def more_settings(dashboard):
    return {"back_channel_logout_uri": f"{dashboard.origin}/back-channel-logout"}


def sign_out(party, hint: str):
    return party.http.get("/end-session", params={"id_token_hint": hint})


def test_it_is_advertised(party):
    assert party.metadata["backchannel_logout_supported"] is True
    assert party.metadata["backchannel_logout_session_supported"] is True


def test_logout_token_names_the_session(party, dashboard, clock):
    id_token = party.tokens("olive")["id_token"]
    known = party.claims(id_token)
    sign_out(party, id_token)
    ((logout_token,),) = [form["logout_token"] for form in dashboard.posted]
    keys = KeySet.import_key_set(party.http.get("/jwks.json").json())
    token = jwt.decode(logout_token, keys, algorithms=["ES256"])
    now = int(clock.now.timestamp())
    assert token.header["typ"] == "logout+jwt"
    assert token.claims.pop("jti")
    assert token.claims == {
        "iss": party.issuer,
        "aud": "anuma-dashboard",
        "sub": known["sub"],
        "sid": known["sid"],
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
    }


def test_each_logout_token_has_its_own_id(party, dashboard):
    for _ in range(2):
        sign_out(party, party.tokens("olive")["id_token"])
    first, second = (party.claims(form["logout_token"][0])["jti"] for form in dashboard.posted)
    assert first != second


def test_nothing_is_sent_when_nobody_was_signed_in(party, dashboard):
    id_token = party.tokens("olive")["id_token"]
    party.http.cookies.clear()
    assert sign_out(party, id_token).status_code == 200
    assert dashboard.posted == []


def test_choosing_again_is_no_sign_out_and_the_same_person_keeps_the_session(party, dashboard):
    first, again, other = (party.claims(party.tokens(who)["id_token"])["sid"] for who in ("olive", "olive", "ada"))
    assert first == again != other
    assert dashboard.posted == []


class TestDashboardIsDown:
    @pytest.fixture
    def more_settings(self):
        with socket.socket() as held:  # bound but not listening: connections are refused
            held.bind(("127.0.0.1", 0))
            yield {"back_channel_logout_uri": f"http://127.0.0.1:{held.getsockname()[1]}/"}

    def test_signing_out_succeeds_all_the_same(self, party):
        id_token = party.tokens("olive")["id_token"]
        with capture_logs() as events:
            assert sign_out(party, id_token).status_code == 200
        assert {"event": "back_channel.failed", "error": "ConnectError", "log_level": "warning"} in events
        assert party.callback(party.authorize(prompt="none"))["error"] == "login_required"
