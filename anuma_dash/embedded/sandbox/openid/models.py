"""What the provider keeps, in the shape that Authlib's server side asks for."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime

from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oidc.core import AuthorizationCodeMixin

from anuma_dash.embedded.sandbox.cast import Person
from anuma_dash.embedded.sandbox.clock import Clock
from anuma_dash.embedded.sandbox.openid.keys import ALGORITHM

SCOPES = ("openid", "profile", "email")
AUTH_METHODS = ("client_secret_basic", "client_secret_post")


@dataclass(frozen=True)
class Client(ClientMixin):  # type: ignore[misc]  # Authlib ships no types
    """The one registered relying party."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    back_channel_logout_uri: str | None = None
    id_token_signed_response_alg: str = ALGORITHM

    @property
    def client_metadata(self) -> dict[str, object]:
        """Registered metadata, as the end-session and userinfo endpoints read it."""
        return {"post_logout_redirect_uris": self.post_logout_redirect_uris}

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return the known scopes of those asked, or None without `openid`: this is no plain OAuth server."""
        asked = (scope or "").split()
        return " ".join(name for name in SCOPES if name in asked) if "openid" in asked else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Compare whole strings (RFC 9700, 4.1.3)."""
        return redirect_uri in self.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.client_secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in AUTH_METHODS

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass(frozen=True)
class Session:
    """A browser in which somebody has been chosen, and when.

    `session_id` is the cookie's secret, new at each choice. `sid` is what clients know the session by
    (Back-Channel Logout, 2.1); it stays while the same person is chosen again, as for a step-up.
    """

    session_id: str = field(repr=False)
    sid: str
    person: Person
    auth_time: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Code(AuthorizationCodeMixin):  # type: ignore[misc]  # Authlib ships no types
    """An authorization code, bound to the client, its redirect URI and its PKCE challenge."""

    value: str = field(repr=False)
    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    person: Person
    sid: str
    auth_time: datetime
    expires_at: datetime

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(self.auth_time.timestamp())


@dataclass(frozen=True)
class Token:
    """An access token for the userinfo endpoint; `code` is the one it was given for."""

    value: str = field(repr=False)
    code: str = field(repr=False)
    client: Client
    person: Person
    scope: str
    expires_at: datetime
    clock: Clock = field(repr=False)

    def get_scope(self) -> str:
        return self.scope

    def get_client(self) -> Client:
        return self.client

    def get_user(self) -> Person:
        return self.person

    def is_expired(self) -> bool:
        return self.clock() >= self.expires_at

    def is_revoked(self) -> bool:
        """A revoked token is forgotten, so one that is found is not revoked."""
        return False
