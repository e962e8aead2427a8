"""The database goes away under the running processes, as in a power cut, and comes back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from anuma_dash.db import new_id
from anuma_dash.domain.controls import ControlChange
from anuma_dash.gateway import schemas
from tests.faults.cluster import Cluster, cluster, missing
from tests.faults.proxy import DOWN, FINE
from tests.faults.site import Site, site
from tests.processes import wait_until

pytestmark = pytest.mark.processes
BACK_WITHIN_SECONDS = 10
NAMES = ("dashboard", "workflows", "gateway", "gateway_keys")


@pytest.fixture
def server() -> Iterator[Cluster]:
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with cluster() as found:
        found.create_databases(*NAMES)
        yield found


@pytest.fixture
def running(server: Cluster, tmp_path: Path) -> Iterator[Site]:
    """Everything on that cluster."""
    urls = {
        "ANUMA_DATABASE_URL": server.url("dashboard"),
        "ANUMA_WORKFLOWS_DATABASE_URL": server.url("workflows"),
        "ANUMA_GATEWAY_DATABASE_URL": server.url("gateway"),
        "ANUMA_GATEWAY_KEYS_DATABASE_URL": server.url("gateway_keys"),
    }
    with site(tmp_path, **urls) as found:
        found.start("gateway", "web", "worker")
        found.sign_in()
        yield found


def test_nothing_that_was_acknowledged_is_lost_and_all_are_back_by_themselves(running: Site, server: Cluster) -> None:
    running.sync()
    gateway, olive, account_id = running.context.gateway, running.olive, running.account_id
    running.visit("/data-controls/prompt-logging/edit")
    running.submit("Switch it on", accepted=True)
    running.visit("/data-controls")
    assert running.page is not None
    assert running.page.one("#prompt-logging-state").text == "On"
    key = gateway.create_key(olive, account_id, schemas.NewKey(name="kept"), str(new_id()))
    assert running.chat(key.secret or "").headers["X-Anuma-Content-Stored"] == "true"
    running.visit("/data-controls")
    form = running.page

    server.stop_at_once()
    assert running.visit("/data-controls").status_code == 503
    assert "database does not answer" in running.text
    assert "Traceback" not in running.text
    running.page = form
    answer = running.submit("Prompt logging", within="#prompt-logging")
    assert answer.status_code == 503, "no false success"
    assert "may or may not have happened" in running.text
    refused = running.chat(key.secret or "")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "gateway_unavailable")
    assert httpx.get(f"{running.stack.dashboard}/healthz", timeout=30, trust_env=False).status_code == 200

    server.start()
    wait_until(lambda: running.visit("/data-controls").status_code == 200, "the dashboard is back", BACK_WITHIN_SECONDS)
    wait_until(lambda: running.chat(key.secret or "").status_code == 200, "the gateway is back", BACK_WITHIN_SECONDS)
    assert running.page.one("#prompt-logging-state").text == "On", "what was acknowledged is there"
    assert running.count("control.in_effect") == 1
    with gateway_away(running):
        running.visit("/data-controls")
        running.submit("Prompt logging", within="#prompt-logging")
        assert "not confirmed" in running.text
    wait_until(lambda: running.unfinished() == 0, "the worker goes on", BACK_WITHIN_SECONDS + 20)
    running.visit("/data-controls")
    assert running.page.one("#prompt-logging-state").text == "Off"
    assert all(one.popen.poll() is None for one in running.running.values()), "nobody was restarted"
    assert running.audit_holds()


@contextmanager
def gateway_away(running: Site) -> Iterator[None]:
    """The worker has something to do: the first try meets no gateway."""
    running.proxy.fault = DOWN
    yield
    running.proxy.fault = FINE


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_sqlite_file_that_another_process_locks_is_a_503_and_nothing_is_said_that_is_not_stored(
    world, monkeypatch, tmp_path
) -> None:
    monkeypatch.setattr("anuma_dash.db.BUSY_TIMEOUT_MILLISECONDS", 50)
    world.db.engine.dispose()
    browser = world.browser(world.olive)
    page = browser.visit("/data-controls")
    path = world.settings.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert browser.request("GET", "/activity").status_code == 200, "reading goes on"
        refused = browser.request(
            "POST", "/data-controls/prompt-logging", data={"csrf_token": page.csrf_token(), "state": "off"}
        )
        assert refused.status_code == 503
        assert "database does not answer" in refused.text
        assert world.rows(ControlChange) == []
        other.execute("ROLLBACK")
    answer = browser.request(
        "POST", "/data-controls/prompt-logging", data={"csrf_token": page.csrf_token(), "state": "off"}
    )
    assert answer.status_code in (200, 303)
    assert len(world.rows(ControlChange)) == 1
