"""ID tokens: the signature, then every claim, strictly (OpenID Connect Core 1.0, 3.1.3.7; RFC 8725)."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.documents import ProviderDocuments

SKEW_SECONDS = 30
LARGEST_ID_TOKEN_BYTES = 16_384
LONGEST_SUBJECT = 255


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
        self.documents = documents
        self.provider = documents.provider

    def read(self, id_token: str, trip: Trip, now: datetime) -> dict[str, Any]:
        """The claims of a token that holds in every respect. Raises `SignInRefused` saying what did not."""
        claims = self._verified(id_token)
        self._check_claims(claims, trip, now)
        return claims

    def _verified(self, id_token: str) -> dict[str, Any]:
        if len(id_token) > LARGEST_ID_TOKEN_BYTES:
            raise SignInRefused("The ID token is too large.")
        try:
            signature = jws.extract_compact(id_token.encode())
        except (JoseError, ValueError):
            raise SignInRefused("The ID token cannot be read.") from None
        header = signature.headers()
        if header.get("alg") not in self.provider.signing_algorithms:
            raise SignInRefused("The ID token is not signed as agreed.")
        if {"jwk", "jku", "x5c", "x5u"} & set(header):
            raise SignInRefused("The ID token brings its own key.")
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise SignInRefused("That is not an ID token.")
        algorithms = list(self.provider.signing_algorithms)
        try:
            checked = jws.deserialize_compact(id_token, self._key(header), algorithms=algorithms)
            claims = json.loads(checked.payload)
        except (JoseError, ValueError):
            raise SignInRefused("The ID token's signature does not hold.") from None
        if not isinstance(claims, dict):
            raise SignInRefused("The ID token cannot be read.")
        return claims

    def _key(self, header: Mapping[str, Any]) -> Any:
        kid = header.get("kid")
        for refresh in (False, True):
            keys = [key for key in self.documents.keys(refresh=refresh).keys if self._fits(key, kid, header["alg"])]
            if len(keys) == 1:
                return keys[0]
        raise SignInRefused("The ID token is signed with a key that the provider does not publish.")

    @staticmethod
    def _fits(key: Any, kid: object, algorithm: str) -> bool:
        kinds = {"ES": "EC", "RS": "RSA", "PS": "RSA", "Ed": "OKP"}
        if key.key_type != kinds.get(algorithm[:2]) or (key.get("use") or "sig") != "sig":
            return False
        return kid is None or key.get("kid") == kid

    def _check_claims(self, claims: Mapping[str, Any], trip: Trip, now: datetime) -> None:
        audiences = claims.get("aud")
        audiences = [audiences] if isinstance(audiences, str) else audiences
        present = now.timestamp()
        if claims.get("iss") != self.provider.issuer:
            raise SignInRefused("The ID token is another provider's.")
        if not isinstance(audiences, list) or self.provider.client_id not in audiences:
            raise SignInRefused("The ID token is meant for somebody else.")
        if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != self.provider.client_id:
            raise SignInRefused("The ID token was issued to somebody else.")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), trip.nonce.encode()):
            raise SignInRefused("The ID token belongs to another sign-in.")
        if _seconds(claims, "exp") <= present - SKEW_SECONDS:
            raise SignInRefused("The ID token has expired.")
        if _seconds(claims, "iat") > present + SKEW_SECONDS:
            raise SignInRefused("The ID token is from the future.")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
            raise SignInRefused("The ID token does not say who you are.")
        if self.provider.acr_values and claims.get("acr") not in self.provider.acr_values.split():
            raise SignInRefused("You signed in at the provider in a weaker way than this site asks for.")
        self._check_freshness(claims, trip)

    def _check_freshness(self, claims: Mapping[str, Any], trip: Trip) -> None:
        if not trip.fresh:
            return
        if not self.provider.sends_auth_time:
            raise SignInRefused(f"{self.provider.label} cannot confirm who you are a second time.")
        if _seconds(claims, "auth_time") < trip.began_at.timestamp() - SKEW_SECONDS:
            raise SignInRefused("The provider did not ask you again who you are.")


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInRefused(f"The ID token lacks {name}.")
    return float(value)
