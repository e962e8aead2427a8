"""The real processes behind a bad network, and Olive in front of them with a browser of her own, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urljoin
from uuid import UUID

import httpx
from sqlalchemy import func, select

from anuma_dash import audit, features
from anuma_dash.audit import AuditEntry
from anuma_dash.db import Database
from anuma_dash.domain.accounts import sync_account
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import OPERATOR, Actor
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.workflows import Context, unfinished, utc_now
from tests.faults.proxy import Proxy
from tests.forms import Value, fill
from tests.page import Document
from tests.processes import Process, Stack, free_port, stack, wait_until
from tests.signed_in import sign_in_olive

SECONDS = 90


@dataclass
class Site:
    """A running installation. `context` sees past every fault: the same database, the gateway without the proxy."""

    stack: Stack
    proxy: Proxy
    settings: Settings
    context: Context
    browser: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=SECONDS))
    browsers: list[httpx.Client] = field(default_factory=list)
    running: dict[str, Process] = field(default_factory=dict)
    page: Document | None = None
    olive: Actor = OPERATOR

    def __post_init__(self) -> None:
        self.browsers.append(self.browser)

    @property
    def account_id(self) -> UUID:
        """Olive's account."""
        assert self.olive.account_id is not None
        return self.olive.account_id

    def start(self, *names: str) -> None:
        """Start these processes, or start again those that have ended."""
        starters = {
            "gateway": self.stack.start_gateway,
            "web": self.stack.start_dashboard,
            "worker": self.stack.start_worker,
        }
        for name in names:
            if name not in self.running or self.running[name].popen.poll() is not None:
                self.running[name] = starters[name]()

    def with_browser(self) -> Site:
        """The same installation, and another browser in front of it."""
        return replace(self, browser=httpx.Client(trust_env=False, timeout=SECONDS), page=None)

    def sign_in(self) -> None:
        """Olive, her account, and a session that has just begun."""
        self.olive, token = sign_in_olive(self.context.db, self.settings, utc_now())
        self.browser.headers["Cookie"] = f"anuma_session={token}"

    def sync(self) -> None:
        """The gateway knows the account."""
        sync_account(self.context, self.account_id)

    def visit(self, path: str) -> httpx.Response:
        """A page of the dashboard; raises what httpx raises when nobody answers."""
        return self._keep(self.browser.get(self.stack.dashboard + path))

    def submit(self, button: str, within: str = "", **fields: Value) -> httpx.Response:
        """Press a button of the page that is open, and follow where it leads. `Delete …` is the one that begins so."""
        assert self.page is not None
        if button.endswith(" …"):
            begins = button.removesuffix("…")
            (button,) = {one.text for one in self.page.select("main button") if one.text.startswith(begins)}
        filled = fill(self.page, button, dict(fields), within)
        headers = {"Origin": self.stack.dashboard, "Sec-Fetch-Site": "same-origin"}
        url = urljoin(self.stack.dashboard + "/", filled.action)
        answer = self.browser.post(url, data=_grouped(filled.fields), headers=headers)
        while answer.is_redirect:
            answer = self.browser.get(urljoin(url, answer.headers["Location"]))
        return self._keep(answer)

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        if answer.headers["Content-Type"].startswith("text/html"):
            self.page = Document(answer.text)
        return answer

    @property
    def text(self) -> str:
        """The words of the page that is open."""
        assert self.page is not None
        return self.page.text

    def table(self, caption: str) -> list[dict[str, str]]:
        """The rows of a table of the page that is open."""
        assert self.page is not None
        return self.page.table(caption)

    def chat(self, secret: str, text: str = "hello") -> httpx.Response:
        """One API request of a customer, past the proxy."""
        body = {"model": "anuma/echo", "messages": [{"role": "user", "content": text}]}
        headers = {"Authorization": f"Bearer {secret}"}
        return httpx.post(
            f"{self.stack.gateway}/v1/chat/completions", json=body, headers=headers, trust_env=False, timeout=SECONDS
        )

    def unfinished(self) -> int:
        """Rows that still want work."""
        with self.context.db.reading() as tx:
            return sum(unfinished(tx, kind.model) for kind in features.kinds())

    def settled(self, seconds: float = SECONDS) -> None:
        """Wait until nothing is left to do."""
        wait_until(lambda: self.unfinished() == 0, "everything is settled", seconds)

    def count(self, event: str) -> int:
        """How often this was recorded for the account."""
        with self.context.db.reading() as tx:
            query = select(func.count()).where(AuditEntry.chain == self.account_id, AuditEntry.event == event)
            return tx.scalar(query.select_from(AuditEntry)) or 0

    def audit_holds(self) -> bool:
        """Whether every link of the account's chain holds."""
        with self.context.db.reading() as tx:
            return audit.verify(tx, self.account_id).broken_at is None


def _grouped(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in fields:
        grouped.setdefault(name, []).append(value)
    return grouped


@contextmanager
def site(folder: Path, **environment: str) -> Iterator[Site]:
    """An installation in this folder whose dashboard reaches the gateway through a proxy; nothing started yet.

    It waits long for the gateway: a machine that is busy with other tests is not a gateway that is down.
    """
    port = free_port()
    patient = {"ANUMA_GATEWAY_PORT": str(port), "ANUMA_GATEWAY_BUDGET_SECONDS": "20"}
    with (
        Proxy(port) as proxy,
        stack(folder, **patient | {"ANUMA_GATEWAY_URL": proxy.url} | environment) as found,
    ):
        found.gateway = f"http://127.0.0.1:{port}"
        settings = Settings.from_environment(found.environment)
        migrate(settings.database_url)
        direct = settings.model_copy(update={"gateway_url": found.gateway, "gateway_budget_seconds": 15.0})
        gateway = Gateway.from_settings(direct)
        made = Site(found, proxy, settings, Context(Database(settings.database_url), gateway, settings=settings))
        try:
            yield made
        finally:
            for browser in made.browsers:
                browser.close()
            gateway.close()
            made.context.db.dispose()
