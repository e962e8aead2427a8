"""The OpenID provider: Authlib's authorization server with our client, keys, clock and checks."""

import re
from typing import Any, cast

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.errors import (
    InvalidScopeError,
    UnsupportedResponseTypeError,
)
from authlib.oauth2.rfc9101.errors import (
    RequestNotSupportedError,
    RequestUriNotSupportedError,
)
from flask import Flask, current_app
from joserfc.jwk import KeySet

from anuma_dash.embedded.sandbox.clock import Clock
from anuma_dash.embedded.sandbox.openid.grants import (
    CodeGrant,
    EndSession,
    IdToken,
    RequiredS256,
    UserInfoPage,
)
from anuma_dash.embedded.sandbox.openid.models import Client, Token
from anuma_dash.embedded.sandbox.openid.store import TOKEN_LIFE, Store

# What the chooser carries from the request to the choice. Other parameters are ignored (Core, 3.1.2.1).
PARAMETERS = (
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
)
_SECONDS = re.compile(r"[0-9]{1,9}")


class Provider(AuthorizationServer):  # type: ignore[misc]  # Authlib ships no types
    """One provider with one client. `store`, `keys`, `clock` and `issuer` are read by the grants."""

    def __init__(self, app: Flask, issuer: str, client: Client, keys: KeySet, clock: Clock) -> None:
        self.issuer = issuer
        self.client = client
        self.keys = keys
        self.clock = clock
        self.store = Store(clock)
        app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"authorization_code": int(TOKEN_LIFE.total_seconds())}
        super().__init__(app, query_client=self._client_called, save_token=self._remember_token)
        self.register_grant(CodeGrant, [RequiredS256(required=True), IdToken(self)])
        self.register_endpoint(UserInfoPage(self.store))
        self.register_endpoint(EndSession)

    def get_authorization_grant(self, request: Any) -> Any:
        """Return the grant for an authorization request, after the checks Authlib does not make.

        Raises OAuth2Error; without a `redirect_uri` on it when there is nowhere safe to redirect to
        (RFC 6749, 4.1.2.1), so the caller shows a page instead.
        """
        repeated = {name for name, values in request.payload.datalist.items() if len(values) > 1}
        if repeated & {"client_id", "redirect_uri"}:
            raise InvalidRequestError("The client_id or the redirect_uri is given more than once.")
        client = self.query_client(request.payload.client_id)
        if not client:
            raise InvalidClientError("This client is not registered here.")
        redirect_uri = CodeGrant.validate_authorization_redirect_uri(request, client)
        self._check_parameters(request.payload.data, repeated, redirect_uri)
        return super().get_authorization_grant(request)

    def _check_parameters(self, asked: Any, repeated: set[str], redirect_uri: str) -> None:
        if "request" in asked:
            raise RequestNotSupportedError(redirect_uri=redirect_uri)
        if "request_uri" in asked:
            raise RequestUriNotSupportedError(redirect_uri=redirect_uri)
        if repeated & set(PARAMETERS):  # RFC 6749, 3.1
            raise InvalidRequestError("A parameter is given more than once.", redirect_uri=redirect_uri)
        if asked.get("response_type") != "code":
            raise UnsupportedResponseTypeError(None, "The response_type must be code.", redirect_uri=redirect_uri)
        if asked.get("response_mode", "query") != "query":
            raise InvalidRequestError("The response_mode must be query.", redirect_uri=redirect_uri)
        if "max_age" in asked and not _SECONDS.fullmatch(asked["max_age"]):
            raise InvalidRequestError("The max_age must be a whole number of seconds.", redirect_uri=redirect_uri)
        if "openid" not in asked.get("scope", "").split():
            raise InvalidScopeError("The scope must include openid.", redirect_uri=redirect_uri)

    def _client_called(self, client_id: str | None) -> Client | None:
        return self.client if client_id == self.client.client_id else None

    def _remember_token(self, token: dict[str, Any], request: Any) -> None:
        self.store.add_token(
            Token(
                value=token["access_token"],
                code=request.authorization_code.value,
                client=request.client,
                person=request.user,
                scope=token["scope"],
                expires_at=self.clock() + TOKEN_LIFE,
                clock=self.clock,
            )
        )


def current_provider() -> Provider:
    """Return the provider of the app that answers this request."""
    return cast(Provider, current_app.extensions["openid_provider"])
