"""The strict relying party: Authlib makes the requests, this file decides what is believed.

Authorization code flow with PKCE S256, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
Everything that Authlib's client lets pass is checked here; `SignInRefused` says in words what was wrong.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from anuma_dash.errors import DashboardError, SignInRefused
from anuma_dash.settings import Provider

SKEW_SECONDS = 30
LARGEST_ID_TOKEN_BYTES = 16_384
LARGEST_DOCUMENT_BYTES = 262_144
METADATA_SECONDS = 3600
KEYS_AGAIN_AFTER_SECONDS = 60
TIMEOUT_SECONDS = 5.0
LONGEST_SUBJECT = 255


class ProviderDown(DashboardError):
    """The provider gave no usable answer; nothing is known about the person."""


@dataclass(frozen=True)
class Trip:
    """What must come back from the provider for a sign-in to be believed."""

    state: str
    nonce: str
    verifier: str
    began_at: datetime
    fresh: bool


@dataclass(frozen=True)
class Identity:
    """Who the provider says this is. `(issuer, subject)` is the identity; everything else is information."""

    issuer: str
    subject: str
    authenticated_at: datetime
    email: str | None
    email_verified: bool
    name: str
    claims: Mapping[str, Any]


@dataclass
class _Cached:
    metadata: dict[str, Any] = field(default_factory=dict)
    metadata_at: float = 0.0
    keys: KeySet | None = None
    keys_at: float = 0.0


class RelyingParty:
    """The dashboard towards one provider."""

    def __init__(self, provider: Provider, redirect_uri: str) -> None:
        self.provider = provider
        self.redirect_uri = redirect_uri
        self._cached = _Cached()

    def authorization_url(self, trip: Trip) -> str:
        """Where to send the browser. Raises `ProviderDown`."""
        metadata = self._metadata()
        parameters = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.provider.scopes),
            "state": trip.state,
            "nonce": trip.nonce,
            "code_challenge": create_s256_code_challenge(trip.verifier),
            "code_challenge_method": "S256",
        }
        if trip.fresh:
            parameters |= {"prompt": "login", "max_age": "0"}
        if self.provider.acr_values:
            parameters["acr_values"] = self.provider.acr_values
        separator = "&" if "?" in metadata["authorization_endpoint"] else "?"
        return f"{metadata['authorization_endpoint']}{separator}{urlencode(parameters)}"

    def identify(self, answer: Mapping[str, str], trip: Trip, now: datetime) -> Identity:
        """Turn the provider's answer at the callback into an identity.

        Raises `SignInRefused` for anything that is not exactly as it must be, `ProviderDown` if the provider cannot be
        asked.
        """
        self._check_answer(answer, trip)
        tokens = self._exchange(answer["code"], trip)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise SignInRefused("The provider sent no ID token.")
        claims = self._verified(id_token)
        self._check_claims(claims, trip, now)
        details = {**claims, **self._missing_details(claims, tokens)}
        return self._identity(claims, details, trip)

    def _check_answer(self, answer: Mapping[str, str], trip: Trip) -> None:
        if not hmac.compare_digest(answer.get("state", "").encode(), trip.state.encode()):
            raise SignInRefused("This answer does not belong to the sign-in that this browser began.")
        issuer = answer.get("iss")
        advertised = self._metadata().get("authorization_response_iss_parameter_supported") is True
        if issuer != self.provider.issuer and (issuer is not None or advertised):
            raise SignInRefused("The answer came from another provider than the one that was asked (RFC 9207).")
        if answer.get("error"):
            raise SignInRefused(f"{self.provider.label} did not sign you in.")
        if not answer.get("code"):
            raise SignInRefused("The provider sent no code.")

    def _exchange(self, code: str, trip: Trip) -> dict[str, Any]:
        metadata = self._metadata()
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        try:
            with OAuth2Client(
                client_id=self.provider.client_id,
                client_secret=self.provider.client_secret,
                token_endpoint_auth_method=method,
                timeout=TIMEOUT_SECONDS,
                follow_redirects=False,
                trust_env=False,
            ) as client:
                tokens = client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=self.redirect_uri,
                    code_verifier=trip.verifier,
                )
        except AuthlibBaseError:
            raise SignInRefused("The provider did not accept the code.") from None
        except Exception:
            # Authlib lets through whatever its HTTP client and its JSON reader raise; none of it says who this is.
            raise ProviderDown(f"{self.provider.label} does not answer as it should.") from None
        return dict(tokens)

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
            keys = [key for key in self._keys(refresh=refresh).keys if self._fits(key, kid, header["alg"])]
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

    def _missing_details(self, claims: Mapping[str, Any], tokens: Mapping[str, Any]) -> dict[str, Any]:
        endpoint = self._metadata().get("userinfo_endpoint")
        if "email" in claims or not endpoint or not tokens.get("access_token"):
            return {}
        details = self._fetch(str(endpoint), str(tokens["access_token"]))
        if details.get("sub") != claims["sub"]:
            raise SignInRefused("The provider told us about two different people.")
        return {name: details[name] for name in ("email", "email_verified", "name") if name in details}

    def _identity(self, claims: Mapping[str, Any], details: Mapping[str, Any], trip: Trip) -> Identity:
        email = details.get("email")
        email = email if isinstance(email, str) and 3 <= len(email) <= 320 and "@" in email else None
        name = details.get("name")
        name = name.strip()[:200] if isinstance(name, str) else ""
        authenticated = claims.get("auth_time")
        at = (
            datetime.fromtimestamp(authenticated, tz=trip.began_at.tzinfo)
            if isinstance(authenticated, int)
            else trip.began_at
        )
        return Identity(
            issuer=self.provider.issuer,
            subject=str(claims["sub"]),
            authenticated_at=min(at, trip.began_at + timedelta(seconds=TIMEOUT_SECONDS)) if not trip.fresh else at,
            email=email,
            email_verified=email is not None and details.get("email_verified") is True,
            name=name or (email or "").partition("@")[0],
            claims={key: details[key] for key in ("email", "email_verified", "name", "auth_time") if key in details},
        )

    def _metadata(self) -> dict[str, Any]:
        if self._cached.metadata and time.monotonic() - self._cached.metadata_at < METADATA_SECONDS:
            return self._cached.metadata
        document = self._fetch(self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.provider.issuer:
            raise SignInRefused("The provider's own description names another provider.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(document.get(name), str):
                raise ProviderDown(f"{self.provider.label} describes itself incompletely.")
        self._cached.metadata, self._cached.metadata_at = document, time.monotonic()
        return document

    def _keys(self, *, refresh: bool) -> KeySet:
        # An unknown key is looked for once a minute at most: a thousand made-up key ids must not become a thousand
        # requests to the provider.
        cached = self._cached
        age = time.monotonic() - cached.keys_at
        if cached.keys is None or age > METADATA_SECONDS or (refresh and age > KEYS_AGAIN_AFTER_SECONDS):
            document = self._fetch(self._metadata()["jwks_uri"])
            try:
                cached.keys = KeySet.import_key_set({"keys": document.get("keys", [])})
            except (JoseError, ValueError, KeyError, TypeError):
                raise ProviderDown(f"{self.provider.label} publishes keys that cannot be read.") from None
            cached.keys_at = time.monotonic()
        return cached.keys

    def _fetch(self, url: str, bearer: str = "") -> dict[str, Any]:
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                response = client.get(url, headers=headers)
            if response.status_code != 200 or len(response.content) > LARGEST_DOCUMENT_BYTES:
                raise ProviderDown(f"{self.provider.label} does not answer as it should.")
            document = response.json()
        except (httpx.HTTPError, ValueError):
            raise ProviderDown(f"{self.provider.label} does not answer.") from None
        if not isinstance(document, dict):
            raise ProviderDown(f"{self.provider.label} does not answer as it should.")
        return document


def _seconds(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignInRefused(f"The ID token lacks {name}.")
    return float(value)


def new_trip(now: datetime, *, fresh: bool) -> Trip:
    """The secrets of a new trip to a provider. `fresh` asks the provider to prove the person's presence anew."""
    return Trip(
        state=secrets.token_urlsafe(24),
        nonce=secrets.token_urlsafe(24),
        verifier=secrets.token_urlsafe(48),
        began_at=now,
        fresh=fresh,
    )
