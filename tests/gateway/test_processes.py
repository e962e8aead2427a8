"""The gateway as a real process: started, killed with kill -9, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from anuma_dash.embedded.gateway.contents import Content, Vault
from anuma_dash.embedded.gateway.encryption import KeyRing
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.identifiers import utc_now, uuid7
from anuma_dash.embedded.gateway.metering import Meter, Price, Record, Usage
from anuma_dash.embedded.gateway.stores import Store, Stores
from anuma_dash.gateway.schemas import Decision, Message
from tests.gateway.conftest import postgres_databases, wait_until
from tests.gateway.dashboard import Dashboard, Signer

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
ITEMS = 150


@pytest.fixture
def environ(database_urls, tmp_path):
    """Databases of its own: the process is killed."""
    base = {"ANUMA_INSTANCE": str(tmp_path), "ANUMA_GATEWAY_DELETION_BATCH": "1"}
    if not database_urls:
        yield base
        return
    with postgres_databases(2) as (main, keys):
        yield base | {"ANUMA_GATEWAY_DATABASE_URL": main, "ANUMA_GATEWAY_KEYS_DATABASE_URL": keys}


@contextmanager
def process(environ):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANUMA_")}
    running = subprocess.Popen(
        [sys.executable, "-m", "anuma_dash.embedded.gateway"],
        cwd=ROOT,
        env=kept | environ | {"ANUMA_GATEWAY_PORT": str(port)},
        stderr=subprocess.DEVNULL,
    )
    base_url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: is_ready(running, base_url), 30)
        yield running, base_url
    finally:
        running.kill()
        running.wait(10)


def is_ready(running, base_url):
    assert running.poll() is None, "it ended"
    try:
        return httpx.get(f"{base_url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def fill(environ, account, key_id):
    """Stored content, written by the gateway's own code, quicker than by requests."""
    settings = load_settings(environ)
    stores = Stores(
        Store("main database", settings.database_url.get_secret_value()),
        Store("key database", settings.keys_database_url.get_secret_value()),
    )
    meter = Meter(stores, Vault(stores, KeyRing(settings.key_encryption_keys)))
    for number in range(ITEMS):
        now = utc_now()
        prompt = Message(role="user", text=f"a prompt that will be deleted, number {number}")
        record = Record(
            id=uuid7(now),
            account=account,
            key_id=key_id,
            created_by=None,
            environment="live",
            arrived_at=now,
            endpoint="chat/completions",
            model="m",
            provider="p",
            provider_retention="",
            provider_training="",
            price=Price(),
            usage=Usage(),
            status=200,
            error_class=None,
            outcome="completed",
            streamed=False,
            latency_ms=0,
            first_byte_ms=None,
            is_test=False,
            at_arrival=Decision(stored=True, rule="account_control", level="account", epoch=1),
            epoch_at_arrival=1,
            content=Content((prompt,), ()),
        )
        assert meter.settle(record, now).decision.stored
    stores.close()


def test_a_deletion_survives_kill_9(environ, tmp_path):
    signer = Signer()
    signer.publish(tmp_path / "dashboard-jwks.json")
    with process(environ) as (running, base_url):
        dashboard = Dashboard(base_url, signer)
        account = dashboard.new_account()
        key = dashboard.new_key(account)
        dashboard.switch_logging(account, True)
        fill(environ, account, UUID(key["id"]))
        body = {"id": str(uuid4()), "scope": {"category": "request_content"}}
        accepted = dashboard.call("POST", account, "/deletions", body=body).json()
        assert accepted["total"] == ITEMS
        path = f"/deletions/{body['id']}"
        begun = wait_until(lambda: (found := dashboard.get(account, path))["done"] > 0 and found)
        running.send_signal(signal.SIGKILL)
        running.wait(10)
        dashboard.close()
    assert (begun["state"], begun["finished_at"]) == ("purging", None)
    assert begun["done"] < ITEMS, "it was killed in the middle"

    with process(environ) as (_, base_url):
        dashboard = Dashboard(base_url, signer)
        done = wait_until(lambda: (found := dashboard.get(account, path))["finished_at"] and found, 30)
        assert (done["state"], done["done"], done["failure"]) == ("verified", ITEMS, None)
        for store in done["per_store"]:
            assert (store["found"], store["control_found"]) == (0, True)
            assert store["searched_pieces"] > 0
            assert "could not be repeated" in store["note"]
        inventory = dashboard.get(account, "/inventory")["rows"][0]
        assert (inventory["count"], inventory["bytes"]) == (0, 0)
        assert dashboard.requests(account, content="stored") == []
        dashboard.close()


def test_what_was_acknowledged_is_there_after_kill_9(environ, tmp_path):
    signer = Signer()
    signer.publish(tmp_path / "dashboard-jwks.json")
    with process(environ) as (running, base_url):
        dashboard = Dashboard(base_url, signer)
        account = dashboard.new_account()
        kept, revoked = dashboard.new_key(account), dashboard.new_key(account)
        controls = dashboard.put_controls(account, 1).json()
        revocation = dashboard.call("DELETE", account, f"/keys/{revoked['id']}").json()
        running.send_signal(signal.SIGKILL)
        running.wait(10)
        dashboard.close()
    with process(environ) as (_, base_url):
        dashboard = Dashboard(base_url, signer)
        assert dashboard.get(account, "/controls") == controls
        assert dashboard.get(account, f"/keys/{revoked['id']}") == revocation
        assert dashboard.get(account, f"/keys/{kept['id']}")["state"] == "active"
        dashboard.close()


def test_files_are_private_and_stopping_is_clean(tmp_path):
    environ = {"ANUMA_INSTANCE": str(tmp_path / "instance")}
    with process(environ) as (running, _):
        running.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert running.wait(15) in (0, -signal.SIGTERM)
        assert time.monotonic() - started < 10
    for path in (tmp_path / "instance").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_it_refuses_to_start_and_says_why(tmp_path):
    command = [sys.executable, "-m", "anuma_dash.embedded.gateway"]
    env = {"ANUMA_ENV": "production", "ANUMA_INSTANCE": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "ANUMA_GATEWAY_KEK_FILES is missing" in ended.stderr
    assert "Traceback" not in ended.stderr
