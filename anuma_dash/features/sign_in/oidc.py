"""The strict relying party: Authlib makes the requests, this file decides what is believed.

Authorization code flow with PKCE S256, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
Everything that Authlib's client lets pass is checked here; `SignInRefused` says in words what was wrong.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.documents import TIMEOUT_SECONDS, ProviderDocuments, ProviderDown
from anuma_dash.features.sign_in.id_tokens import IDTokens, Trip
from anuma_dash.settings import Provider


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


class RelyingParty:
    """The dashboard towards one provider."""

    def __init__(self, provider: Provider, redirect_uri: str) -> None:
        self.provider = provider
        self.redirect_uri = redirect_uri
        self._documents = ProviderDocuments(provider)
        self._id_tokens = IDTokens(self._documents)

    def authorization_url(self, trip: Trip) -> str:
        """Where to send the browser. Raises `ProviderDown`."""
        metadata = self._documents.metadata()
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
        claims = self._id_tokens.read(id_token, trip, now)
        details = {**claims, **self._missing_details(claims, tokens)}
        return self._identity(claims, details, trip)

    def _check_answer(self, answer: Mapping[str, str], trip: Trip) -> None:
        if not hmac.compare_digest(answer.get("state", "").encode(), trip.state.encode()):
            raise SignInRefused("This answer does not belong to the sign-in that this browser began.")
        issuer = answer.get("iss")
        advertised = self._documents.metadata().get("authorization_response_iss_parameter_supported") is True
        if issuer != self.provider.issuer and (issuer is not None or advertised):
            raise SignInRefused("The answer came from another provider than the one that was asked (RFC 9207).")
        if answer.get("error"):
            raise SignInRefused(f"{self.provider.label} did not sign you in.")
        if not answer.get("code"):
            raise SignInRefused("The provider sent no code.")

    def _exchange(self, code: str, trip: Trip) -> dict[str, Any]:
        metadata = self._documents.metadata()
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

    def _missing_details(self, claims: Mapping[str, Any], tokens: Mapping[str, Any]) -> dict[str, Any]:
        endpoint = self._documents.metadata().get("userinfo_endpoint")
        if "email" in claims or not endpoint or not tokens.get("access_token"):
            return {}
        details = self._documents.fetch(str(endpoint), str(tokens["access_token"]))
        if details.get("sub") != claims["sub"]:
            raise SignInRefused("The provider told us about two different people.")
        return {name: details[name] for name in ("email", "email_verified", "name") if name in details}

    def _identity(self, claims: Mapping[str, Any], details: Mapping[str, Any], trip: Trip) -> Identity:
        email = details.get("email")
        email = email if isinstance(email, str) and 3 <= len(email) <= 320 and "@" in email else None
        name = details.get("name")
        name = name.strip()[:200] if isinstance(name, str) else ""
        return Identity(
            issuer=self.provider.issuer,
            subject=str(claims["sub"]),
            authenticated_at=_authenticated_at(claims, trip),
            email=email,
            email_verified=email is not None and details.get("email_verified") is True,
            name=name or (email or "").partition("@")[0],
            claims={key: details[key] for key in ("email", "email_verified", "name", "auth_time") if key in details},
        )


def _authenticated_at(claims: Mapping[str, Any], trip: Trip) -> datetime:
    # A provider that does not say when it last asked may have asked days ago: such a sign-in proves no presence.
    authenticated = claims.get("auth_time")
    if isinstance(authenticated, bool) or not isinstance(authenticated, int | float):
        return trip.began_at - timedelta(days=1)
    return datetime.fromtimestamp(authenticated, tz=trip.began_at.tzinfo)
