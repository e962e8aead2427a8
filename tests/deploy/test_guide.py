"""Backup, restore and upgrade by the commands of docs/operations.md, against a running product, on both engines."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

from anuma_dash.db import Database, new_id
from anuma_dash.domain.accounts import create_account, sync_account
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import OPERATOR, Actor, Role, User
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.web.sessions import Device, start_session
from anuma_dash.workflows import Context, utc_now
from tests import databases
from tests.deploy import guide
from tests.gateway.conftest import POSTGRES, _dsn, postgres_databases
from tests.page import Document
from tests.processes import Stack, stack

pytestmark = pytest.mark.processes
WORDS = "What is the capital of Assyria?"
LONG_AGO = "20200101T000000Z-gateway-keys"
LASTING = ("Name", "Secret", "Model", "Key", "Tokens", "Cost", "Status", "Content")
"""The columns that do not say how long ago something was."""


@contextmanager
def environment(engine: str) -> Iterator[dict[str, str]]:
    """Where the stores of this engine are, for our processes and for PostgreSQL's own commands."""
    if engine == "sqlite":
        yield {}
        return
    if missing := databases.postgres_missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    if not shutil.which("pg_dump"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("pg_dump is not installed")
    server = make_url(POSTGRES)
    login = {"PGHOST": server.host, "PGPORT": server.port, "PGUSER": server.username, "PGPASSWORD": server.password}
    with postgres_databases(3) as urls:
        names = [str(make_url(url).database) for url in urls]
        try:
            yield {
                **dict(zip(("ANUMA_DATABASE_URL", "ANUMA_GATEWAY_DATABASE_URL"), urls[:2], strict=True)),
                "ANUMA_GATEWAY_KEYS_DATABASE_URL": urls[2],
                **dict(zip(("DASHBOARD_DATABASE", "GATEWAY_DATABASE", "KEYS_DATABASE"), names, strict=True)),
                **{name: str(value) for name, value in login.items() if value is not None},
            }
        finally:
            with psycopg.connect(_dsn(POSTGRES), autocommit=True) as connection:
                for name in names:
                    connection.execute(f'DROP DATABASE IF EXISTS "{name}_aside" WITH (FORCE)')


@dataclass
class Olive:
    """A customer, and what she can see over HTTP."""

    product: Stack
    settings: Settings
    user: User
    actor: Actor
    account: UUID

    def sign_in(self) -> str:
        """A session that has just begun."""
        database, now = Database(self.settings.database_url), utc_now()
        with database.transaction() as tx:
            _, token = start_session(
                tx,
                self.settings,
                user=tx.get_one(User, self.user.id),
                account_id=self.account,
                provider="sandbox",
                issuer="test",
                subject="olive",
                device=Device("A browser", "127.0.0.1"),
                authenticated_at=now - timedelta(seconds=1),
                now=now,
            )
        database.dispose()
        return token

    def get(self, path: str, token: str) -> httpx.Response:
        """Open a page in a browser that holds this session."""
        return httpx.get(self.product.dashboard + path, cookies={"anuma_session": token}, timeout=60, trust_env=False)

    def sees(self) -> dict[str, list[dict[str, str]]]:
        """Her keys and requests, as pages show them."""
        token, seen = self.sign_in(), {}
        for path, caption in (("/keys", "API keys"), ("/requests", "Requests, newest first")):
            answer = self.get(path, token)
            assert answer.status_code == 200, answer.text
            rows = Document(answer.text).table(caption)
            seen[path] = [{name: row[name] for name in LASTING if name in row} for row in rows]
        return seen

    @contextmanager
    def gateway(self) -> Iterator[Gateway]:
        client = Gateway.from_settings(self.settings)
        client.budget_seconds = 20
        yield client
        client.close()


def customer(product: Stack) -> Olive:
    settings = Settings.from_environment(product.environment)
    context = Context(Database(settings.database_url), Gateway.from_settings(settings))
    now = utc_now()
    with context.db.transaction() as tx:
        user = User(id=new_id(), name="Olive", email=None, time_zone="UTC", created_at=now, attested_age_at=now)
        tx.add(user)
        tx.flush()
        account = create_account(tx, OPERATOR, user, "Northwind Labs", "organization", now).id
    actor = Actor(kind="user", user_id=user.id, name="Olive", role=Role.OWNER, account_id=account)
    sync_account(context, account)
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    assert request_control(context, actor, account, logging, enabled=True, accepted_sha256=accepted).outcome
    context.gateway.close()
    context.db.dispose()
    return Olive(product, settings, user, actor, account)


def call(olive: Olive, name: str) -> None:
    """Make a key and use it."""
    with olive.gateway() as gateway:
        key = gateway.create_key(olive.actor, olive.account, schemas.NewKey(name=name), str(new_id()))
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": WORDS}]}
    headers = {"Authorization": f"Bearer {key.secret}"}
    url = f"{olive.product.gateway}/v1/chat/completions"
    assert httpx.post(url, json=body, headers=headers, timeout=60, trust_env=False).status_code == 200


def stored(olive: Olive) -> list[str]:
    """What the gateway can still read of her prompts."""
    with olive.gateway() as gateway:
        requests = gateway.requests(olive.actor, olive.account).data
        contents = [gateway.request_content(olive.actor, olive.account, request.id) for request in requests]
    return [message.text for content in contents for message in content.prompt or ()]


def told(name: str, environ: dict[str, str]) -> str:
    """Run a block that must succeed; returns what it wrote."""
    done = guide.run(name, environ)
    assert done.returncode == 0, f"{name}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_backup_is_made_and_put_back_and_the_next_version_takes_over(engine: str, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    with ExitStack() as opened:
        stores = opened.enter_context(environment(engine))
        product = opened.enter_context(stack(tmp_path, **stores, ANUMA_GATEWAY_BUDGET_SECONDS="20", BACKUP=str(backup)))
        product.environment |= {"DASHBOARD": product.dashboard, "GATEWAY": product.gateway}
        environ = product.environment
        migrate(Settings.from_environment(environ).database_url)
        running = [product.start_gateway(), product.start_dashboard()]
        olive = customer(product)
        call(olive, "before")
        seen, session = olive.sees(), olive.sign_in()
        assert [row["Name"] for row in seen["/keys"]] == ["before"]
        assert stored(olive) == [WORDS]

        suffix = "sqlite" if engine == "sqlite" else "dump"
        (backup / "keys").mkdir(parents=True)
        (backup / "keys" / f"{LONG_AGO}.{suffix}").touch()
        environ["AT"] = told("backup", environ)
        kept = {path.name for folder in ("data", "keys") for path in (backup / folder).iterdir()}
        assert kept == {f"{environ['AT']}-{name}.{suffix}" for name in ("gateway", "gateway-keys", "dashboard")}
        assert {path.stat().st_mode & 0o077 for path in backup.rglob("*.*")} == {0}

        call(olive, "after")
        for process in reversed(running):
            process.stop()
        refused = guide.run("restore", environ)
        assert refused.returncode != 0
        assert "is not empty" in refused.stderr

        told(f"aside-{engine}", environ)
        assert "entries hold" in told("restore", environ)
        gateway = product.start_gateway()
        told("restored", environ)
        web = product.start_dashboard()
        told("ready", environ)
        assert olive.get("/keys", session).headers["location"].startswith("/sign-in"), "every session has ended"
        assert olive.sees() == seen
        assert stored(olive) == [WORDS]

        if engine == "sqlite":
            told("upgrade", environ)
            told("ready", environ)
            gateway.stop()
            product.start_gateway()
            web.stop()
            product.start_dashboard()
            told("ready", environ)
            assert olive.sees() == seen
