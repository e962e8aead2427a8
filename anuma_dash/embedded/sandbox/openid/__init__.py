"""The sandbox's OpenID provider: the real protocol, spoken by Authlib's server side, without passwords."""

from flask import Flask
from pydantic import SecretStr

from anuma_dash.embedded.sandbox.clock import Clock
from anuma_dash.embedded.sandbox.openid import authorize, metadata, sign_out
from anuma_dash.embedded.sandbox.openid.keys import signing_keys
from anuma_dash.embedded.sandbox.openid.models import Client
from anuma_dash.embedded.sandbox.openid.provider import Provider
from anuma_dash.embedded.sandbox.settings import Settings


def install(app: Flask, settings: Settings, client_secret: SecretStr, clock: Clock) -> None:
    """Add the provider's pages and endpoints to the app.

    Raises UnsafeSecretFile when others may read the signing key.
    """
    client = Client(
        client_id=settings.client_id,
        client_secret=client_secret.get_secret_value(),
        redirect_uris=settings.redirect_uris,
        post_logout_redirect_uris=settings.post_logout_redirect_uris,
        back_channel_logout_uri=settings.back_channel_logout_uri,
    )
    keys = signing_keys(settings.instance)
    app.extensions["openid_provider"] = Provider(app, settings.issuer, client, keys, clock)
    for part in (authorize, metadata, sign_out):
        app.register_blueprint(part.blueprint)
