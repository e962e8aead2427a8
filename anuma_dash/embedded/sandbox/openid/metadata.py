"""What the provider publishes for machines: discovery, keys, tokens, userinfo."""

import structlog
from authlib.oauth2.rfc6749 import InvalidClientError
from flask import Blueprint, Response, jsonify

from anuma_dash.embedded.sandbox.openid.keys import ALGORITHM
from anuma_dash.embedded.sandbox.openid.models import AUTH_METHODS, SCOPES
from anuma_dash.embedded.sandbox.openid.provider import current_provider

blueprint = Blueprint("metadata", __name__)
log = structlog.get_logger("anuma.sandbox")


@blueprint.get("/.well-known/openid-configuration", endpoint="discovery")
def discovery() -> Response:
    """Describe the provider (OpenID Connect Discovery, 3; it asks for RS256 too, which we leave out on purpose)."""
    provider = current_provider()
    issuer = provider.issuer
    back_channel = provider.client.back_channel_logout_uri is not None
    return jsonify(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        userinfo_endpoint=f"{issuer}/userinfo",
        jwks_uri=f"{issuer}/jwks.json",
        end_session_endpoint=f"{issuer}/end-session",
        scopes_supported=SCOPES,
        response_types_supported=["code"],
        response_modes_supported=["query"],
        grant_types_supported=["authorization_code"],
        subject_types_supported=["public"],
        id_token_signing_alg_values_supported=[ALGORITHM],
        token_endpoint_auth_methods_supported=AUTH_METHODS,
        code_challenge_methods_supported=["S256"],
        prompt_values_supported=["none", "login", "select_account"],
        claims_supported=[
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "nonce",
            "sid",
            "auth_time",
            "at_hash",
            "name",
            "email",
            "email_verified",
        ],
        authorization_response_iss_parameter_supported=True,
        backchannel_logout_supported=back_channel,
        backchannel_logout_session_supported=back_channel,
        claims_parameter_supported=False,
        request_parameter_supported=False,
        request_uri_parameter_supported=False,
    )


@blueprint.get("/jwks.json", endpoint="keys")
def keys() -> Response:
    """Publish the public half of the signing key."""
    return jsonify(current_provider().keys.as_dict(private=False))


@blueprint.post("/token", endpoint="token")
def token() -> Response:
    """Exchange a code for tokens (OpenID Connect Core, 3.1.3)."""
    provider = current_provider()
    try:
        response: Response = provider.create_token_response()
    except UnicodeDecodeError:  # Authlib decodes Basic credentials without a guard
        error = InvalidClientError("The credentials are not UTF-8.", status_code=401)
        response = provider.handle_error_response(None, error)
    log.info("token.answered", status=response.status_code)
    return response


@blueprint.route("/userinfo", methods=["GET", "POST"], endpoint="userinfo")
def userinfo() -> Response:
    """Tell about the person of an access token (OpenID Connect Core, 5.3)."""
    response: Response = current_provider().create_endpoint_response("userinfo")
    return response
