"""The sandbox: real-protocol stand-ins, so that one machine is enough to develop on.

So far an OpenID provider at which anybody may sign in as anybody, and a mailbox in which all mail ends
up. It listens on loopback only and refuses to start in production. It shares nothing with the dashboard
but two secrets in the instance folder; the dashboard reaches it over HTTP and SMTP like any other.
"""

import secrets

from flask import Flask, render_template
from jinja2 import StrictUndefined
from pydantic import SecretStr
from werkzeug.exceptions import HTTPException
from werkzeug.sansio.response import Response

from anuma_dash.embedded.sandbox import headers, mailbox, openid
from anuma_dash.embedded.sandbox.clock import Clock, utc_now
from anuma_dash.embedded.sandbox.secret_files import read_or_create
from anuma_dash.embedded.sandbox.settings import Settings


def create_app(settings: Settings, clock: Clock = utc_now) -> Flask:
    """Build the sandbox. `clock` tells the time for everything it issues.

    Raises UnsafeSecretFile when others on this machine may read the secrets in the instance folder.
    """
    app = Flask(__name__)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.config.update(MAX_CONTENT_LENGTH=64 * 1024, TRUSTED_HOSTS=[settings.issuer.removeprefix("http://")])
    client_secret = settings.client_secret or SecretStr(
        read_or_create(settings.instance / "sandbox-client-secret", lambda: secrets.token_urlsafe(32))
    )
    openid.install(app, settings, client_secret, clock)
    mailbox.install(app, clock)
    headers.install(app, settings.return_origins)
    app.register_error_handler(HTTPException, _error)
    app.add_url_rule("/", "index", lambda: render_template("index.html", settings=settings))
    return app


def _error(error: HTTPException) -> Response:
    """Draw our page into the answer, which keeps its status and its headers, such as `Allow`."""
    response = error.get_response()
    response.set_data(render_template("error.html", title=error.name, explanation=error.description))
    return response
