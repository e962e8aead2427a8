"""The strict relying party: what is asked of a provider, and what of its answers is believed.

Authorization code flow with PKCE S256, state and nonce (OpenID Connect Core 1.0, RFC 7636, RFC 9207, RFC 9700).
`SignInRefused` says in words what was wrong.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import structlog
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.documents import ProviderDocuments
from anuma_dash.features.sign_in.id_tokens import IDTokens, Trip
from anuma_dash.features.sign_in.logout_tokens import LogoutTokens, ProviderLogout
from anuma_dash.gateway.deadline import deadline
from anuma_dash.names import one_line
from anuma_dash.settings import Provider

IDENTIFY_SECONDS = 10.0
SIGN_OUT_SECONDS = 2.0
LONGEST_EMAIL = 320
LONGEST_NAME = 200

log = structlog.get_logger()


@dataclass(frozen=True)
class Identity:
    """Who the provider says this is. `(issuer, subject)` is the identity; everything else is information.

    `sid` is what the provider calls its own session, if it says so.
    """

    issuer: str
    subject: str
    authenticated_at: datetime
    email: str | None
    email_verified: bool
    name: str
    claims: Mapping[str, Any]
    sid: str | None = None


class RelyingParty:
    """The dashboard towards one provider."""

    def __init__(self, provider: Provider, redirect_uri: str) -> None:
        self.provider = provider
        self.redirect_uri = redirect_uri
        self._documents = ProviderDocuments(provider)
        self._id_tokens = IDTokens(self._documents)
        self._logout_tokens = LogoutTokens(self._documents)

    def authorization_url(self, trip: Trip) -> str:
        """Where to send the browser. Raises `ProviderDown`."""
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
        return _with_query(self._documents.metadata()["authorization_endpoint"], parameters)

    def sign_out_url(self, return_to: str) -> str | None:
        """Where the person can sign out at the provider too (RP-Initiated Logout 1.0); None if nowhere, or not known.

        The person confirms it there: no ID token is kept that could vouch for them (see decision 013).
        """
        with deadline(SIGN_OUT_SECONDS):
            address = self._documents.metadata_if_at_hand().get("end_session_endpoint")
        parameters = {"client_id": self.provider.client_id, "post_logout_redirect_uri": return_to}
        return _with_query(address, parameters) if address else None

    def read_logout(self, token: str, now: datetime) -> ProviderLogout:
        """What the provider asks for with a logout token. Raises `SignInRefused`, `ProviderDown`."""
        with deadline(IDENTIFY_SECONDS):
            return self._logout_tokens.read(token, now)

    def identify(self, answer: Mapping[str, list[str]], trip: Trip, now: datetime) -> Identity:
        """Turn the provider's answer at the callback, each parameter with its values, into an identity.

        Raises `SignInRefused` for anything that is not exactly as it must be, `ProviderDown` if the provider cannot be
        asked.
        """
        try:
            with deadline(IDENTIFY_SECONDS):
                tokens = self._exchange(self._code(answer, trip), trip)
                claims = self._id_tokens.read(tokens["id_token"], trip, now)
                details = {**claims, **self._missing_details(claims, tokens["access_token"])}
        except SignInRefused as error:
            log.warning("sign-in refused", provider=self.provider.slug, reason=str(error))
            raise
        return self._identity(claims, details, trip)

    def _code(self, answer: Mapping[str, list[str]], trip: Trip) -> str:
        if any(len(values) > 1 for values in answer.values()):
            raise SignInRefused("The answer says the same thing twice.")
        single = {name: values[0] for name, values in answer.items()}
        if not hmac.compare_digest(single.get("state", "").encode(), trip.state.encode()):
            raise SignInRefused("This answer does not belong to the sign-in that this browser began.")
        issuer = single.get("iss")
        advertised = self._documents.metadata().get("authorization_response_iss_parameter_supported") is True
        if issuer != self.provider.issuer and (issuer is not None or advertised):
            raise SignInRefused("The answer came from another provider than the one that was asked (RFC 9207).")
        if single.get("error"):
            raise SignInRefused(f"{self.provider.label} did not sign you in.")
        if not single.get("code"):
            raise SignInRefused("The provider sent no code.")
        return single["code"]

    def _exchange(self, code: str, trip: Trip) -> dict[str, str]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": trip.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        metadata = self._documents.metadata()
        methods = metadata.get("token_endpoint_auth_methods_supported")
        if isinstance(methods, list) and "client_secret_post" in methods and "client_secret_basic" not in methods:
            fields |= {"client_id": self.provider.client_id, "client_secret": self.provider.client_secret}
        else:
            headers["Authorization"] = _basic(self.provider)
        answer = self._documents.send("POST", metadata["token_endpoint"], headers, urlencode(fields).encode())
        if 400 <= answer.status < 500:
            raise SignInRefused("The provider did not accept the code.")
        if answer.status != 200:
            raise self._documents.down("does not answer as it should", f"token endpoint: status {answer.status}")
        return self._tokens(self._documents.parsed(answer))

    def _tokens(self, found: Mapping[str, Any]) -> dict[str, str]:
        if not isinstance(found.get("id_token"), str) or not found["id_token"]:
            raise SignInRefused("The provider sent no ID token.")
        if str(found.get("token_type", "")).lower() != "bearer" or not isinstance(found.get("access_token"), str):
            raise SignInRefused("The provider sent a kind of token that this site does not use.")
        return {name: found[name] for name in ("id_token", "access_token")}

    def _missing_details(self, claims: Mapping[str, Any], access_token: str) -> dict[str, Any]:
        endpoint = self._documents.metadata().get("userinfo_endpoint")
        if "email" in claims or not endpoint:
            return {}
        details = self._documents.fetch(endpoint, access_token)
        if details.get("sub") != claims["sub"]:
            raise SignInRefused("The provider told us about two different people.")
        return {name: details[name] for name in ("email", "email_verified", "name") if name in details}

    def _identity(self, claims: Mapping[str, Any], details: Mapping[str, Any], trip: Trip) -> Identity:
        email = _email(details.get("email"))
        verified = email is not None and details.get("email_verified") is True
        name = details.get("name")
        name = one_line(name)[:LONGEST_NAME] if isinstance(name, str) else ""
        said = {"email": email, "email_verified": verified, "name": name, "auth_time": claims.get("auth_time")}
        return Identity(
            issuer=self.provider.issuer,
            subject=str(claims["sub"]),
            authenticated_at=_authenticated_at(claims, trip),
            email=email,
            email_verified=verified,
            name=name or (email or "").partition("@")[0][:LONGEST_NAME],
            claims={key: value for key, value in said.items() if value not in (None, "")},
            sid=claims.get("sid"),
        )


def _with_query(address: str, parameters: Mapping[str, str]) -> str:
    address = address.partition("#")[0]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"


def _basic(provider: Provider) -> str:
    # Both halves are form-encoded before they are joined (RFC 6749, 2.3.1).
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(provider.client_secret)}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _email(value: object) -> str | None:
    if not isinstance(value, str) or not 3 <= len(value) <= LONGEST_EMAIL or "@" not in value:
        return None
    return value if value.isprintable() and " " not in value else None


def _authenticated_at(claims: Mapping[str, Any], trip: Trip) -> datetime:
    # A provider that does not say when it last asked may have asked days ago: such a sign-in proves no presence.
    authenticated = claims.get("auth_time")
    if isinstance(authenticated, bool) or not isinstance(authenticated, int | float):
        return trip.began_at - timedelta(days=1)
    return datetime.fromtimestamp(authenticated, tz=trip.began_at.tzinfo)
