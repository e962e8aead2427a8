"""Logout tokens: a provider says that sessions there have ended (Back-Channel Logout 1.0, 2.4 to 2.6)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.documents import ProviderDocuments
from anuma_dash.features.sign_in.id_tokens import (
    SKEW_SECONDS,
    check_issuer_and_audience,
    check_times,
    identifier,
    seconds,
)
from anuma_dash.features.sign_in.signatures import LOGOUT_TOKEN, SignedTokens

EVENT = "http://schemas.openid.net/event/backchannel-logout"
NAME = "logout token"
LONGEST_AGE = timedelta(minutes=10)


@dataclass(frozen=True)
class ProviderLogout:
    """What a provider asks for: to end the sessions of a person there, or one session there, or both of them."""

    issuer: str
    subject: str | None
    sid: str | None
    token_hash: str
    remember_until: datetime


class LogoutTokens:
    """Reads the logout tokens of one provider."""

    def __init__(self, documents: ProviderDocuments) -> None:
        self.provider = documents.provider
        self._signed = SignedTokens(documents, LOGOUT_TOKEN)

    def read(self, token: str, now: datetime) -> ProviderLogout:
        """What a token asks for that holds in every respect; whether it was used before is for the caller to see.

        Raises `SignInRefused` saying what did not hold, `ProviderDown` if the provider's keys cannot be had.
        """
        claims = self._signed.read(token)
        check_issuer_and_audience(claims, self.provider.issuer, self.provider.client_id, NAME)
        check_times(claims, now, NAME)
        issued_at = datetime.fromtimestamp(seconds(claims, "iat", NAME), UTC)
        if now - issued_at > LONGEST_AGE + timedelta(seconds=SKEW_SECONDS):
            raise SignInRefused("The logout token is too old.")
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            raise SignInRefused("The logout token names no logout.")
        if "nonce" in claims:
            raise SignInRefused("The logout token bears a nonce, as only ID tokens do.")
        token_id = claims.get("jti")
        if not isinstance(token_id, str) or not token_id:
            raise SignInRefused("The logout token lacks jti.")
        named = {name: claims[name] for name in ("sub", "sid") if claims.get(name) is not None}
        if not named or any(identifier(value) is None for value in named.values()):
            raise SignInRefused("The logout token does not say whose session ended.")
        digest = hashlib.sha256(f"{self.provider.issuer}\n{token_id}".encode()).hexdigest()
        # After this it is refused for its age, so nobody has to remember it.
        remember_until = issued_at + LONGEST_AGE + timedelta(seconds=2 * SKEW_SECONDS)
        return ProviderLogout(self.provider.issuer, named.get("sub"), named.get("sid"), digest, remember_until)
