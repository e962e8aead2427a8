"""One test's world: the application, its database, the real gateway, a clock that stands still, and the cast."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import httpx
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from joserfc.jwk import ECKey
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session
from werkzeug.routing import Rule

from anuma_dash import create_app, features
from anuma_dash.embedded.gateway import policy
from anuma_dash.embedded.gateway.core import Gateway as GatewayCore
from anuma_dash.embedded.gateway.tables import accounts, controls
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import WORKER, User
from anuma_dash.settings import Provider, Settings, VaultKey
from anuma_dash.web.sessions import BrowserSession, Device, start_session
from anuma_dash.web.state import Services
from anuma_dash.workflows import run_due
from tests.browser import Browser
from tests.databases import Lent
from tests.factories import ELSEWHERE, NORTHWIND, Person
from tests.mailserver import MailboxOfTests
from tests.populating import populate

DEVICE = Device("Firefox on Linux", "127.0.0.1")
SHORT_BUDGET_SECONDS = 0.3


class Clock:
    """Stands still until it is moved. It begins at the real time, because the gateway's clock is the real one."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        """Move on, for instance by `minutes=11`."""
        self.now += timedelta(**duration)


class GatewayServer:
    """The real gateway that serves the whole test run, and the faulty one beside it."""

    def __init__(self, url: str, faulty_url: str, key_file: Path, core: GatewayCore | None = None) -> None:
        self.url = url
        self.faulty_url = faulty_url
        self.key_file = key_file
        self.key = ECKey.import_key(key_file.read_text())
        # The budget is generous: a busy test machine is not a slow gateway.
        self.client = Gateway(url, self.key, budget_seconds=15)
        self.public = httpx.Client(base_url=url, timeout=15, trust_env=False, verify=False)
        self._core = core

    def open_accounts(self, names: Mapping[UUID, str]) -> None:
        """Let the gateway know new accounts. Where it runs in this process, as its internal API leaves them in its
        database: every world wants two."""
        if self._core is None:
            for one, name in names.items():
                self.client.put_account(WORKER, one, name, "active")
            return
        now = self._core.now()
        times = {"created_at": now, "updated_at": now, "status_since": now}
        policy_now = {"body_hash": policy.body_hash({}), "applied_at": now}
        policy_now["state"] = policy.new_state(now).model_dump_json()
        rows = [{"id": one, "name": name, "status": "active", "revision": 0} | times for one, name in names.items()]
        with self._core.stores.main.write() as connection:
            connection.execute(insert(accounts), rows)
            connection.execute(insert(controls), [{"account_id": one, "epoch": 0} | policy_now for one in names])

    def close(self) -> None:
        """Close both clients."""
        self.client.close()
        self.public.close()


class SharedCode(BytecodeCache):
    """Templates are compiled once in a test run, not once for each application."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key, bucket.checksum] = bucket.code


class SharedRule(Rule):
    """A route that is compiled once in a test run: for each application it is the same code."""

    _compiled: ClassVar[dict[Any, dict[str, Any]]] = {}

    def compile(self) -> None:
        key = (self.rule, self.subdomain, self.host, self.merge_slashes, repr(self.defaults))
        if key not in self._compiled:
            super().compile()
            self._compiled[key] = {
                "_parts": self._parts,
                "_trace": self._trace,
                "_converters": self._converters,
                "arguments": frozenset(self.arguments),
                "_build": self._build.__func__,  # type: ignore[attr-defined]
                "_build_unknown": self._build_unknown.__func__,  # type: ignore[attr-defined]
            }
        known = self._compiled[key]
        self._parts, self._trace, self._converters = known["_parts"], known["_trace"], known["_converters"]
        self.arguments = set(known["arguments"])
        self._build = known["_build"].__get__(self)
        self._build_unknown = known["_build_unknown"].__get__(self)


CODE = SharedCode()
Flask.url_rule_class = SharedRule


def make_settings(database_url: str, server: GatewayServer, instance: Path, **more: Any) -> Settings:
    """The settings of a world."""
    sandbox = Provider(
        slug="sandbox",
        label="Sandbox",
        issuer="http://localhost:8002",
        client_id="anuma-dashboard",
        client_secret="the-secret-of-the-test-sandbox-client",
        signing_algorithms=("ES256",),
    )
    values: dict[str, Any] = {
        "instance": instance,
        "database_url": database_url,
        "gateway_url": server.url,
        "gateway_public_url": f"{server.url}/v1",
        "jwt_key_file": server.key_file,
        "session_secrets": ("session-7c1d0f43a9e25b8816f2d94c0b3ea571",),
        "csrf_secrets": ("forms-e1947ab05d3c62f8097b1ed4c85af230",),
        "sign_in_providers": (sandbox,),
        "support_email": "support@anuma.example",
        "vault_keys": (VaultKey(id="test-1", path=Path("none"), secret=bytes(range(32))),),
        "mail_from": "no-reply@anuma.example",
        "support_access": True,
    }
    return Settings(**(values | more))


class World:
    """What a test works with. The people are attributes: `world.olive`, `world.dev`, `world.strange`."""

    mailbox: MailboxOfTests

    def __init__(self, settings: Settings, server: GatewayServer, clock: Clock) -> None:
        self.clock = clock
        self.server = server
        self.settings = settings
        self._lent = Lent.to_a_test(settings.database_url)
        self.db = self._lent.database
        self.app = self.new_app()
        self.people: dict[str, Person] = {}

    def populate(self) -> None:
        """Create the cast and their accounts, and tell the gateway of them."""
        with self.db.transaction() as tx:
            self.people = populate(tx, self.settings.sign_in_providers[0], self.clock.now)
        self.server.open_accounts({self.northwind: NORTHWIND, self.elsewhere: ELSEWHERE})

    def __getattr__(self, key: str) -> Person:
        try:
            return self.__dict__["people"][key]
        except KeyError:
            raise AttributeError(key) from None

    @property
    def northwind(self) -> UUID:
        """The account of Olive, Ada, Dev, Bill and Vera."""
        return self.people["olive"].account_id

    @property
    def elsewhere(self) -> UUID:
        """The account of Strange."""
        return self.people["strange"].account_id

    @property
    def services(self) -> Services:
        """The services of the application, as they are now."""
        return self.app.extensions["anuma"]

    @property
    def gateway(self) -> Gateway:
        """The client through which the dashboard reaches the gateway now."""
        return self.services.gateway

    def new_app(self, **changes: Any) -> Flask:
        """Another web process over the same database, with changes to the settings."""
        settings = self.settings.model_copy(update=changes)
        app = create_app(services=Services(settings, self.db, self.server.client, self.clock))
        app.jinja_env.bytecode_cache = CODE
        return app

    def restart(self, **changes: Any) -> None:
        """Start the web process anew with changes to the settings; browsers made before still use the old one."""
        self.settings = self.settings.model_copy(update=changes)
        self.app = self.new_app()

    def browser(self, person: Person | None = None, *, htmx: bool = False) -> Browser:
        """A new browser, in which this person is signed in."""
        browser = Browser(self.app, self.settings.public_url, htmx=htmx)
        if person is not None:
            browser.set_cookie(self.session_cookie, self.start_session(person)[1])
        return browser

    @property
    def session_cookie(self) -> str:
        """The name of the session cookie."""
        return "__Host-anuma_session" if self.settings.secure_cookies else "anuma_session"

    def start_session(self, person: Person) -> tuple[BrowserSession, str]:
        """A session of this person that has just begun, and its token."""
        with self.db.transaction() as tx:
            return start_session(
                tx,
                self.settings,
                user=tx.get_one(User, person.id),
                account_id=person.account_id,
                provider=self.settings.sign_in_providers[0].slug,
                issuer=person.issuer,
                subject=person.subject,
                device=DEVICE,
                authenticated_at=self.clock.now,
                now=self.clock.now,
            )

    def rows(self, model: type[Any], **where: Any) -> list[Any]:
        """Every row of a table, oldest first, for what no page shows."""
        with self.db.reading() as tx:
            return list(tx.scalars(select(model).filter_by(**where).order_by(*model.__table__.primary_key)))

    @contextmanager
    def behind_the_triggers(self) -> Iterator[Session]:
        """A transaction of somebody who rules the database itself, so that the audit log can be tampered with."""
        with self.db.transaction() as tx:
            if self.db.sqlite:
                for name in tx.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                    tx.execute(text(f"DROP TRIGGER {name}"))
            else:
                tx.execute(text("SET LOCAL session_replication_role = replica"))
            yield tx

    def run_worker(self, *, seconds: float = 0) -> int:
        """Run the durable work that is due until none is; then, second by second, what falls due in that time."""
        ran = self._run_due()
        for _ in range(int(seconds)):
            self.clock.advance(seconds=1)
            ran += self._run_due()
        return ran

    def _run_due(self) -> int:
        ran = 0
        while begun := run_due(self.services.context, features.kinds()):
            ran += begun
        return ran

    def break_gateway(self, fault: str = "down") -> None:
        """Let the dashboard meet no gateway at all ("down"), or one of `tests.faulty.FAULTS`."""
        if fault == "down":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        else:
            url = f"{self.server.faulty_url}/{fault}"
        self.mend_gateway()
        budget = SHORT_BUDGET_SECONDS if fault in ("silent", "dripping") else 15
        self._use(Gateway(url, self.server.key, budget_seconds=budget))

    def mend_gateway(self) -> None:
        """Let the dashboard meet the real gateway again."""
        if self.gateway is not self.server.client:
            self.gateway.close()
            self._use(self.server.client)

    def _use(self, gateway: Gateway) -> None:
        self.app.extensions["anuma"] = replace(self.services, gateway=gateway)

    def chat(self, secret: str, text: str = "hello", **fields: Any) -> httpx.Response:
        """One API request of a customer to the real gateway, with the built-in model."""
        body = {"model": "anuma/echo", "messages": [{"role": "user", "content": text}]} | fields
        headers = {"Authorization": f"Bearer {secret}"}
        return self.server.public.post("/v1/chat/completions", json=body, headers=headers)

    def close(self) -> None:
        """Let go of everything."""
        self.mend_gateway()
        self._lent.give_back()
