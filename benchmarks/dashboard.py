"""A dashboard with a customer, to measure pages in: in this process, or in gunicorn's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
from flask import Flask, url_for
from flask.testing import FlaskClient

from anuma_dash import create_app, logs
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import sync_account
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.web.state import Services
from tests.processes import Stack
from tests.signed_in import sign_in_olive

COOKIE = "anuma_session"


@dataclass(frozen=True)
class Customer:
    """An application whose database holds one signed-in owner."""

    app: Flask
    services: Services
    settings: Settings
    account: UUID
    actor: Actor
    token: str

    def client(self, app: Flask | None = None) -> FlaskClient:
        """A browser of this person, at the application or at another one."""
        client = (app or self.app).test_client()
        client.set_cookie(COOKIE, self.token, domain="localhost")
        return client

    def menu(self) -> list[str]:
        """The addresses of the menu's pages."""
        with self.app.test_request_context(base_url=self.settings.public_url):
            return [url_for(entry.endpoint) for entry in self.app.extensions["anuma_menu"]]

    def get(self, client: FlaskClient, path: str) -> Callable[[], object]:
        """Opening this page."""

        def get() -> None:
            assert client.get(path, base_url=self.settings.public_url).status_code == 200

        return get


@contextmanager
def customer(found: Stack) -> Iterator[Customer]:
    """A dashboard of this stack in this process, whose gateway runs."""
    settings = Settings.from_environment(found.environment | {"ANUMA_LOG_LEVEL": "ERROR"})
    migrate(settings.database_url)
    app = create_app(settings)
    services: Services = app.extensions["anuma"]
    logs.configure("ERROR", "benchmark")
    actor, token = sign_in_olive(services.db, services.settings, services.clock() - timedelta(seconds=1))
    assert actor.account_id is not None
    sync_account(services.context, actor.account_id)
    try:
        yield Customer(app, services, settings, actor.account_id, actor, token)
    finally:
        services.gateway.close()
        services.db.dispose()


def send_requests(who: Customer, gateway: str, count: int) -> str:
    """Chat completions of the built-in model under a new key, whose identifier is returned."""
    key = who.services.gateway.create_key(who.actor, who.account, schemas.NewKey(name="web"), str(new_id()))
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {key.secret}"}
    with httpx.Client(base_url=gateway, headers=headers, trust_env=False, timeout=30) as client:
        for _ in range(count):
            client.post("/v1/chat/completions", json=body).raise_for_status()
    return str(key.id)
