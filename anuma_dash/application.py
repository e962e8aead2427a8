"""The web application, wired: the only place that knows all its parts."""

from __future__ import annotations

from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from anuma_dash import features, logs
from anuma_dash.db import Database
from anuma_dash.gateway.client import Gateway
from anuma_dash.settings import Settings
from anuma_dash.web import (
    access,
    errors,
    flashes,
    headers,
    limits,
    observe,
    render,
    reports,
    shedding,
    site,
    sizes,
    state,
    well_known,
)

PACKAGE = Path(__file__).parent


def build(settings: Settings | None = None, services: state.Services | None = None) -> Flask:
    """The dashboard's web application, wired. `services` replaces what the settings would make (tests do that)."""
    settings = services.settings if services else settings or Settings.from_environment()
    app = Flask(
        __name__,
        template_folder=str(_folder("templates")),
        static_folder=str(_folder("static")),
        static_url_path="/static",
    )
    app.config["TRUSTED_HOSTS"] = [host.partition(":")[0] for host in settings.host_names]
    if settings.proxy_hops:
        hops = settings.proxy_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)  # type: ignore[method-assign]
    logs.configure(settings.log_level, "web")
    state.install(
        app, services or state.Services(settings, Database(settings.database_url), Gateway.from_settings(settings))
    )
    headers.install(app)
    flashes.install(app)
    observe.install(app)
    sizes.install(app, settings)
    access.install(app)
    limits.install(app, settings.redis_url)
    errors.install(app)
    render.install(app)
    app.jinja_env.globals["support_email"] = settings.support_email
    app.register_blueprint(site.blueprint)
    app.register_blueprint(well_known.blueprint)
    reports.install(app)
    features.install(app)
    access.require_rules(app)
    shedding.install(app)
    return app


def _folder(name: str) -> Path:
    # In a wheel the folders lie inside the package; in a checkout, beside it.
    return PACKAGE / name if (PACKAGE / name).is_dir() else PACKAGE.parent / name
