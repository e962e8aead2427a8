"""Authlib's authorization code grant and its endpoints, filled in and made as strict as RFC 9700 asks.

`server` in these classes is `provider.Provider`; Authlib hands it over untyped.
"""

from typing import Any

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo, UserInfoEndpoint
from authlib.oidc.rpinitiated import EndSessionEndpoint
from joserfc.jwk import KeySet

from anuma_dash.embedded.sandbox.cast import Person
from anuma_dash.embedded.sandbox.openid.keys import ALGORITHM
from anuma_dash.embedded.sandbox.openid.models import AUTH_METHODS, Client, Code, Session
from anuma_dash.embedded.sandbox.openid.store import CODE_LIFE, TOKEN_LIFE, Store


def user_info(person: Person, scope: str) -> UserInfo:
    """Return the claims about a person that the granted scope lets out (OpenID Connect Core, 5.4)."""
    everything = UserInfo(
        sub=person.subject, name=person.name, email=person.email, email_verified=person.email_verified
    )
    return everything.filter(scope)


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib ships no types
    """The code flow; the resource owner that Authlib passes around is our Session."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    @staticmethod
    def validate_authorization_redirect_uri(request: Any, client: Client) -> str:
        """Return the redirect URI if it is registered; OpenID Connect Core, 3.1.2.1 requires one.

        Authlib's own message quotes the URI, and fails with ValueError where it holds a `"`.
        """
        redirect_uri = request.payload.redirect_uri
        if not redirect_uri:
            raise InvalidRequestError("The request has no redirect_uri.")
        if not client.check_redirect_uri(redirect_uri):
            raise InvalidRequestError("The redirect_uri is not registered for this client.")
        return str(redirect_uri)

    def save_authorization_code(self, code: str, request: Any) -> None:
        session: Session = request.user
        asked = request.payload.data
        now = self.server.clock()
        self.server.store.add_code(
            Code(
                value=code,
                client_id=request.client.client_id,
                redirect_uri=request.payload.redirect_uri,
                scope=request.scope,
                nonce=asked.get("nonce"),
                code_challenge=asked["code_challenge"],
                code_challenge_method=asked["code_challenge_method"],
                person=session.person,
                sid=session.sid,
                auth_time=session.auth_time,
                expires_at=now + CODE_LIFE,
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        store: Store = self.server.store
        return store.redeem(code, client.client_id)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """`redeem` has already used it up, atomically; Authlib would delete it only after issuing tokens."""

    def authenticate_user(self, authorization_code: Code) -> Person:
        return authorization_code.person


class RequiredS256(CodeChallenge):  # type: ignore[misc]  # Authlib ships no types
    """PKCE, always and only with S256. Authlib lets confidential clients do without, and allows `plain`."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        if not grant.request.payload.data.get("code_challenge_method"):
            raise InvalidRequestError("PKCE is required: the code_challenge_method must be S256.")
        super().validate_code_challenge(grant, redirect_uri)


class IdToken(OpenIDCode):  # type: ignore[misc]  # Authlib ships no types
    """The ID token: its key, its times by our clock, its claims."""

    def __init__(self, provider: Any) -> None:
        super().__init__(require_nonce=False)
        self._provider = provider

    def resolve_client_private_key(self, client: Client) -> KeySet:
        keys: KeySet = self._provider.keys
        return keys

    def get_encode_header(self, client: Client) -> dict[str, str]:
        return {"alg": ALGORITHM, "kid": self._provider.keys.keys[0].kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        """Return `iss`, which Authlib would leave out, and times by our clock instead of its own.

        `aud` is one string: the end-session endpoint finds no client in a list.
        """
        now = int(self._provider.clock().timestamp())
        return {
            "iss": self._provider.issuer,
            "aud": client.client_id,
            "iat": now,
            "exp": now + int(TOKEN_LIFE.total_seconds()),
        }

    def get_authorization_code_claims(self, authorization_code: Code) -> dict[str, Any]:
        """Return `nonce` and `auth_time`, and `sid` for back-channel logout."""
        return {**super().get_authorization_code_claims(authorization_code), "sid": authorization_code.sid}

    def generate_user_info(self, user: Person, scope: str) -> UserInfo:
        return user_info(user, scope)

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        """Nonces are the client's to check; going back in the browser and choosing again is fine here."""
        return False


class AccessTokens(BearerTokenValidator):  # type: ignore[misc]  # Authlib ships no types
    """Finds access tokens for the userinfo endpoint."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.authenticate_token = store.token


class UserInfoPage(UserInfoEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Plain JSON userinfo."""

    def __init__(self, store: Store) -> None:
        protector = ResourceProtector()
        protector.register_token_validator(AccessTokens(store))
        super().__init__(resource_protector=protector)

    def generate_user_info(self, user: Person, scope: str) -> UserInfo:
        return user_info(user, scope)


class EndSession(EndSessionEndpoint):  # type: ignore[misc]  # Authlib ships no types
    """Validates RP-initiated logout; the page that calls it ends the session and answers."""

    def get_server_jwks(self) -> KeySet:
        keys: KeySet = self.server.keys
        return keys

    def get_algorithms(self) -> list[str]:
        return [ALGORITHM]
