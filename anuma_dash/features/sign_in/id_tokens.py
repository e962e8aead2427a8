"""ID tokens: every claim, strictly (OpenID Connect Core 1.0, 3.1.3.7); their signature is `signatures.py`'s."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.documents import ProviderDocuments
from anuma_dash.features.sign_in.signatures import ID_TOKEN, SignedTokens

SKEW_SECONDS = 30
LONGEST_IDENTIFIER = 255
LAST_SECOND = 253402300799
"""The end of the year 9999, which is as far as dates reach."""


@dataclass(frozen=True)
class Trip:
    """What must come back from the provider for a sign-in to be believed."""

    state: str
    nonce: str
    verifier: str
    began_at: datetime
    fresh: bool


def new_trip(now: datetime, *, fresh: bool) -> Trip:
    """The secrets of a new trip to a provider. `fresh` asks the provider to prove the person's presence anew."""
    return Trip(
        state=secrets.token_urlsafe(24),
        nonce=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(48),
        began_at=now,
        fresh=fresh,
    )


class IDTokens:
    """Reads the ID tokens of one provider."""

    def __init__(self, documents: ProviderDocuments) -> None:
        self.provider = documents.provider
        self._signed = SignedTokens(documents, ID_TOKEN)

    def read(self, id_token: str, trip: Trip, now: datetime) -> dict[str, Any]:
        """The claims of a token that holds in every respect. Raises `SignInRefused` saying what did not."""
        claims = self._signed.read(id_token)
        self._check_parties(claims, trip)
        check_times(claims, now, "ID token")
        if identifier(claims.get("sub")) is None:
            raise SignInRefused("The ID token does not say who you are.")
        if claims.get("sid") is not None and identifier(claims["sid"]) is None:
            raise SignInRefused("The ID token names a session that cannot be read.")
        if self.provider.acr_values and claims.get("acr") not in self.provider.acr_values.split():
            raise SignInRefused("You signed in at the provider in a weaker way than this site asks for.")
        self._check_presence(claims, trip, now)
        return claims

    def _check_parties(self, claims: Mapping[str, Any], trip: Trip) -> None:
        check_issuer_and_audience(claims, self.provider.issuer, self.provider.client_id, "ID token")
        audiences = claims["aud"]
        several = isinstance(audiences, list) and len(audiences) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.provider.client_id:
            raise SignInRefused("The ID token was issued to somebody else.")
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), trip.nonce.encode()):
            raise SignInRefused("The ID token belongs to another sign-in.")

    def _check_presence(self, claims: Mapping[str, Any], trip: Trip, now: datetime) -> None:
        if trip.fresh and not self.provider.sends_auth_time:
            raise SignInRefused(f"{self.provider.label} cannot confirm who you are a second time.")
        if not trip.fresh and claims.get("auth_time") is None:
            return
        asked_at = seconds(claims, "auth_time", "ID token")
        if asked_at > now.timestamp() + SKEW_SECONDS:
            raise SignInRefused("The provider says that it asked who you are in the future.")
        if trip.fresh and asked_at < trip.began_at.timestamp() - SKEW_SECONDS:
            raise SignInRefused("The provider did not ask you again who you are.")


def check_issuer_and_audience(claims: Mapping[str, Any], issuer: str, client_id: str, name: str) -> None:
    """Raise `SignInRefused` unless the token is this provider's, and meant for us."""
    audiences = claims.get("aud")
    audiences = [audiences] if isinstance(audiences, str) else audiences
    if claims.get("iss") != issuer:
        raise SignInRefused(f"The {name} is another provider's.")
    if not isinstance(audiences, list) or client_id not in audiences:
        raise SignInRefused(f"The {name} is meant for somebody else.")


def check_times(claims: Mapping[str, Any], now: datetime, name: str) -> None:
    """Raise `SignInRefused` unless the token is valid now, with 30 seconds for clocks that differ."""
    present = now.timestamp()
    if seconds(claims, "exp", name) <= present - SKEW_SECONDS:
        raise SignInRefused(f"The {name} has expired.")
    if seconds(claims, "iat", name) > present + SKEW_SECONDS:
        raise SignInRefused(f"The {name} is from the future.")
    if "nbf" in claims and seconds(claims, "nbf", name) > present + SKEW_SECONDS:
        raise SignInRefused(f"The {name} is not valid yet.")


def seconds(claims: Mapping[str, Any], claim: str, name: str) -> float:
    """A time of the token in seconds since 1970. Raises `SignInRefused` if there is none that a clock could show."""
    value = claims.get(claim)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LAST_SECOND:
        raise SignInRefused(f"The {name} lacks {claim}.")
    return float(value)


def identifier(value: object) -> str | None:
    """A `sub` or `sid`: 1 to 255 visible ASCII characters (OpenID Connect Core 1.0, 2); None if it is none."""
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_IDENTIFIER:
        return None
    return value if value.isascii() and value.isprintable() else None
