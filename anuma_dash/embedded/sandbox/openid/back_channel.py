"""Tells the dashboard that a session ended here (OpenID Connect Back-Channel Logout 1.0)."""

import uuid
from datetime import timedelta

import httpx
import structlog
from joserfc import jwt

from anuma_dash.embedded.sandbox.openid.keys import ALGORITHM
from anuma_dash.embedded.sandbox.openid.models import Session
from anuma_dash.embedded.sandbox.openid.provider import Provider

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_LIFE = timedelta(minutes=2)
PATIENCE_SECONDS = 2
log = structlog.get_logger("anuma.sandbox")


def announce(provider: Provider, session: Session) -> None:
    """Post a logout token for the session, once, to the client's back-channel address if it has one.

    A client that is down or refuses is logged and left alone: signing out here succeeds all the same.
    """
    address = provider.client.back_channel_logout_uri
    if address is None:
        return
    form = {"logout_token": _logout_token(provider, session)}
    try:
        # trust_env=False: no proxy from the environment may see the token.
        with httpx.Client(timeout=PATIENCE_SECONDS, trust_env=False) as http:
            answer = http.post(address, data=form)
    except httpx.HTTPError as error:
        log.warning("back_channel.failed", error=type(error).__name__)
        return
    log.info("back_channel.answered", status=answer.status_code)


def _logout_token(provider: Provider, session: Session) -> str:
    now = provider.clock()
    claims = {
        "iss": provider.issuer,
        "aud": provider.client.client_id,
        "sub": session.person.subject,
        "sid": session.sid,
        "iat": int(now.timestamp()),
        "exp": int((now + TOKEN_LIFE).timestamp()),
        "jti": str(uuid.uuid4()),
        "events": {EVENT: {}},
    }
    header = {"alg": ALGORITHM, "typ": "logout+jwt", "kid": provider.keys.keys[0].kid}
    return jwt.encode(header, claims, provider.keys, [ALGORITHM])
