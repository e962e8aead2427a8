"""Secrets rotate: through the environment of a restarted dashboard, beside a real gateway, and nobody notices."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask, redirect
from joserfc.jwk import ECKey

from anuma_dash import create_app
from anuma_dash.embedded.gateway.app import create_app as create_gateway
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.features.sign_in.newcomers import WELCOME_COOKIE, packed
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import WORKER
from anuma_dash.settings import Settings
from anuma_dash.web import cookies
from anuma_dash.web.flashes import flash
from anuma_dash.web.sessions import BrowserSession, keep_draft
from tests.browser import Browser
from tests.probes import add_probe
from tests.servers import serve
from tests.world import CODE

OLD_SESSION, NEW_SESSION = "session-7c1d0f43a9e25b8816f2d94c0b3ea571", "session-fe02b7a9c4d15836f0a7be21d9c4583b"
OLD_FORMS, NEW_FORMS = "forms-e1947ab05d3c62f8097b1ed4c85af230", "forms-09fa4bd2c6e7135a8b0c4d92e6f7a135"


@pytest.fixture(scope="module")
def engine():
    """What rotates is not in the database."""
    return "sqlite"


@dataclass
class Deployment:
    """The dashboard, started anew from its environment; a browser goes on with its cookies."""

    world: Any
    environ: dict[str, str]
    started: list[Flask] = field(default_factory=list)

    def start(self, **changes: str) -> Flask:
        """Restart with changes to the environment."""
        self.environ |= changes
        app = create_app(Settings.from_environment(self.environ))
        app.jinja_env.bytecode_cache = CODE
        self.started.append(app)
        return app

    def move(self, browser: Browser, app: Flask) -> Browser:
        """The same browser, with its cookies, at the restarted dashboard."""
        browser.app = browser._client.application = app
        return browser

    def stop(self) -> None:
        """Let go of databases and clients."""
        for app in self.started:
            found = app.extensions["anuma"]
            found.db.dispose()
            found.gateway.close()


@pytest.fixture
def deployment(world, tmp_path):
    """A dashboard of which everything comes from the environment."""
    found = Deployment(
        world,
        {
            "ANUMA_INSTANCE": str(tmp_path / "instance"),
            "ANUMA_DATABASE_URL": world.settings.database_url,
            "ANUMA_GATEWAY_URL": world.settings.gateway_url,
            "ANUMA_JWT_KEY_FILE": str(world.settings.jwt_key_file),
            "ANUMA_SESSION_SECRETS": OLD_SESSION,
            "ANUMA_CSRF_SECRETS": OLD_FORMS,
        },
    )
    yield found
    found.stop()


def signed_in(browser: Browser) -> bool:
    return browser.visit("/activity").heading == "Activity"


def test_sessions_live_on_until_their_secret_is_dropped(world, deployment):
    browser = deployment.move(world.browser(world.olive), deployment.start())
    assert signed_in(browser)

    assert signed_in(deployment.move(browser, deployment.start(ANUMA_SESSION_SECRETS=f"{NEW_SESSION},{OLD_SESSION}")))
    assert not signed_in(deployment.move(browser, deployment.start(ANUMA_SESSION_SECRETS=NEW_SESSION)))


def test_a_session_that_began_under_the_new_secret_outlives_the_old_one(world, deployment):
    world.restart(session_secrets=(NEW_SESSION, OLD_SESSION))
    browser = deployment.move(world.browser(world.olive), deployment.start(ANUMA_SESSION_SECRETS=NEW_SESSION))

    assert signed_in(browser)


@pytest.mark.parametrize("name", ["olive", "nobody"])
def test_an_open_form_survives_until_its_secret_is_dropped(world, deployment, name):
    browser = deployment.move(world.browser(world.people.get(name)), deployment.start()).visit("/signed-out")
    form = {"csrf_token": browser.csrf_token(), "theme": "dark"}

    for secrets, status in ((f"{NEW_FORMS},{OLD_FORMS}", 303), (NEW_FORMS, 403)):
        deployment.move(browser, deployment.start(ANUMA_CSRF_SECRETS=secrets))
        assert browser.request("POST", "/theme", data=form).status_code == status


def test_a_number_in_an_open_form_survives_too(world, deployment):
    deployment.environ["ANUMA_GATEWAY_URL"] = "http://127.0.0.1:1"  # down: the number is "not known", and signed
    browser = deployment.move(world.browser(world.olive), deployment.start()).visit("/deletions/new")
    form = {one["name"]: one["value"] for one in browser.select("form[action='/deletions'] input")}

    for secrets, status in ((NEW_FORMS, 403), (f"{NEW_FORMS},{OLD_FORMS}", 303)):
        deployment.move(browser, deployment.start(ANUMA_CSRF_SECRETS=secrets))
        assert browser.request("POST", "/deletions", data=form).status_code == status


def test_messages_and_first_sign_ins_under_way_survive_too(world, deployment):
    def begin():
        identity = Identity("http://localhost:8002", "new", world.clock.now, None, False, "Robin Abara", {})
        response = redirect("/welcome", 303)
        cookies.put(response, WELCOME_COOKIE, packed(world.settings.sign_in_providers[0], identity, "/"))
        flash("ok", "Something was done.")
        return response

    app = deployment.start()
    add_probe(SimpleNamespace(app=app), begin, anonymous=True)
    browser = deployment.move(world.browser(), app)
    browser.request("GET", "/probe")

    deployment.move(browser, deployment.start(ANUMA_SESSION_SECRETS=f"{NEW_SESSION},{OLD_SESSION}"))
    browser.visit("/welcome")
    assert browser.one("#flash").text == "Something was done."
    assert browser.one("input[name=name]")["value"] == "Robin Abara"

    deployment.move(browser, deployment.start(ANUMA_SESSION_SECRETS=NEW_SESSION))
    assert "This first sign-in has expired." in browser.visit("/welcome").text


def test_what_was_typed_before_a_confirmation_survives_too(world, deployment):
    browser = world.browser(world.olive)
    (session,) = world.rows(BrowserSession)
    with world.db.transaction() as tx:
        draft = keep_draft(tx, session.id, "/keys/new", {"name": ["Laptop of Olive"]}, world.clock.now)

    deployment.move(browser, deployment.start(ANUMA_SESSION_SECRETS=f"{NEW_SESSION},{OLD_SESSION}"))

    assert browser.visit(f"/keys/new?draft={draft}").one("input[name=name]")["value"] == "Laptop of Olive"


def public_half(key_file: Path) -> dict[str, Any]:
    key = ECKey.import_key(key_file.read_text())
    return key.as_dict(private=False) | {"kid": key.thumbprint(), "use": "sig", "alg": "ES256"}


def test_the_key_that_signs_calls_to_the_gateway(world, deployment, tmp_path):
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    for file in (old, new):
        file.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    trusted = tmp_path / "trusted.json"

    def trust(*files: Path) -> None:
        waiting = tmp_path / "trusted.json.new"
        waiting.write_text(json.dumps({"keys": [public_half(file) for file in files]}))
        waiting.replace(trusted)

    trust(old)
    environ = {"ANUMA_INSTANCE": str(tmp_path / "gateway"), "ANUMA_GATEWAY_TRUSTED_JWKS_FILE": str(trusted)}
    with serve(create_gateway(load_settings(environ))) as url:
        browser = world.browser(world.olive)

        def answers(file: Path) -> int:
            deployment.move(browser, deployment.start(ANUMA_GATEWAY_URL=url, ANUMA_JWT_KEY_FILE=str(file)))
            return browser.visit("/keys").status

        with closing(Gateway(url, ECKey.import_key(old.read_text()), budget_seconds=15)) as client:
            client.put_account(WORKER, world.northwind, "Northwind Labs", "active")
        assert (answers(old), answers(new)) == (200, 503)
        trust(new, old)
        assert (answers(old), answers(new)) == (200, 200)
        trust(new)
        assert (answers(new), answers(old)) == (200, 503)
        assert "The gateway refused" in browser.text
