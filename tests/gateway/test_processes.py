"""The gateway as a real process: started, killed with kill -9, started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from anuma_dash.embedded.gateway.contents import Content, Vault
from anuma_dash.embedded.gateway.encryption import KeyRing
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.identifiers import utc_now, uuid7
from anuma_dash.embedded.gateway.metering import Meter, Price, Record, Usage
from anuma_dash.embedded.gateway.policy import CONTROL_NAMES, Subject
from anuma_dash.embedded.gateway.stores import Store, Stores
from anuma_dash.gateway.schemas import Decision, Message
from tests.gateway.conftest import postgres_databases, wait_until
from tests.gateway.dashboard import Dashboard, Signer
from tests.nursery import nursery
from tests.processes import READY_SECONDS, free_port

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parents[2]
ITEMS = 150


class Served:
    """A real gateway on databases of its own, which tests kill and start again."""

    def __init__(self, environ):
        self.environ = environ
        self.instance = Path(environ["ANUMA_INSTANCE"])
        self.signer = Signer()
        self.process = None
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.dashboard = Dashboard(self.base_url, self.signer)

    def start(self):
        if self.process is not None and self.process.poll() is None:
            return
        self.instance.mkdir(exist_ok=True)
        self.signer.publish(self.instance / "dashboard-jwks.json")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANUMA_")}
        environment = kept | self.environ | {"ANUMA_GATEWAY_PORT": str(self.port)}
        self.process = nursery().start(
            "anuma_dash.embedded.gateway", folder=ROOT, environment=environment, log=Path(os.devnull)
        )
        wait_until(lambda: is_ready(self.process, self.base_url), READY_SECONDS)

    def kill_9(self):
        self.process.kill()
        self.process.wait(60)

    def close(self):
        self.dashboard.close()
        if self.process is not None:
            self.kill_9()


@pytest.fixture(scope="module")
def instance(database_urls, tmp_path_factory):
    """One for the module: tests make accounts of their own, and a start takes seconds."""
    environ = {"ANUMA_INSTANCE": str(tmp_path_factory.mktemp("served")), "ANUMA_GATEWAY_DELETION_BATCH": "1"}
    with ExitStack() as stack:
        if database_urls:
            main, keys = stack.enter_context(postgres_databases(2))
            environ |= {"ANUMA_GATEWAY_DATABASE_URL": main, "ANUMA_GATEWAY_KEYS_DATABASE_URL": keys}
        yield stack.enter_context(closing(Served(environ)))


@pytest.fixture
def served(instance):
    """It runs, whatever the test before has left."""
    instance.start()
    return instance


def is_ready(running, base_url):
    assert running.poll() is None, "it ended"
    try:
        return httpx.get(f"{base_url}/readyz", trust_env=False, verify=False).status_code == 200
    except httpx.TransportError:
        return False


def fill(environ, account, key_id, items=ITEMS):
    """Stored content, written by the gateway's own code, quicker than by requests."""
    settings = load_settings(environ)
    stores = Stores(
        Store("main database", settings.database_url.get_secret_value()),
        Store("key database", settings.keys_database_url.get_secret_value()),
    )
    meter = Meter(stores, Vault(stores, KeyRing(settings.key_encryption_keys)))
    allowed = Decision(stored=True, rule="account_control", level="account", epoch=1)
    for number in range(items):
        now = utc_now()
        prompt = Message(role="user", text=f"a prompt that will be deleted, number {number}")
        record = Record(
            id=uuid7(now),
            account=account,
            subject=Subject(key_id, account, None),
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
            at_arrival=dict.fromkeys(CONTROL_NAMES, allowed),
            epoch_at_arrival=1,
            content=Content((prompt,), ()),
        )
        (settled,) = meter.settle([record], now)
        assert settled.decision.stored
    stores.close()


def look_from_outside(served):
    """What a backup does: another process opens SQLite's files as the database they are, reads, and closes them."""
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM gateway_version'); c.close()"
    )
    for name in ("gateway.sqlite", "gateway-keys.sqlite"):
        if (served.instance / name).exists():
            subprocess.run([sys.executable, "-c", script, served.instance / name], check=True, timeout=READY_SECONDS)


def search_by_canary(dashboard, account, key):
    response = dashboard.call("POST", account, "/canary", body={"key_id": key["id"]})
    assert response.json()["passed"], response.text


def search_by_deletion(dashboard, account, _key):
    body = {"id": str(uuid4()), "scope": {"category": "request_content"}}
    dashboard.call("POST", account, "/deletions", body=body)
    path = f"/deletions/{body['id']}"
    done = wait_until(lambda: (found := dashboard.get(account, path))["finished_at"] and found)
    assert done["state"] == "verified"


@pytest.mark.parametrize("search", [search_by_canary, search_by_deletion])
def test_what_was_acknowledged_is_there_after_kill_9(served, search):
    """Also after a search and a backup: a process that closes SQLite's files by hand drops its locks on them."""
    dashboard = served.dashboard
    account = dashboard.new_account()
    kept, revoked = dashboard.new_key(account), dashboard.new_key(account)
    search(dashboard, account, kept)
    look_from_outside(served)
    controls = dashboard.put_controls(account, 1).json()
    revocation = dashboard.call("DELETE", account, f"/keys/{revoked['id']}").json()
    served.kill_9()
    served.start()
    assert dashboard.get(account, "/controls") == controls
    assert dashboard.get(account, f"/keys/{revoked['id']}") == revocation
    assert dashboard.get(account, f"/keys/{kept['id']}")["state"] == "active"


def test_every_answered_request_is_in_the_log_after_kill_9(served):
    """Requests that end together are written in one transaction: none is answered before it is committed."""
    dashboard = served.dashboard
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    dashboard.switch_logging(account, True)
    answered: list[str] = []

    def talk():
        body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "hello"}]}
        headers = {"authorization": f"Bearer {key['secret']}"}
        with httpx.Client(base_url=served.base_url, headers=headers, trust_env=False, timeout=30) as client:
            for _ in range(30):
                try:
                    response = client.post("/v1/chat/completions", json=body)
                except httpx.TransportError:
                    return
                assert response.headers["x-anuma-content-stored"] == "true"
                answered.append(response.headers["x-request-id"])

    talkers = [threading.Thread(target=talk) for _ in range(6)]
    for talker in talkers:
        talker.start()
    wait_until(lambda: len(answered) >= 40)
    served.kill_9()
    for talker in talkers:
        talker.join(60)
    served.start()
    logged = {row["id"] for row in dashboard.requests(account, limit=200)}
    assert set(answered) <= logged
    assert len(logged) - len(answered) <= len(talkers), "at most what was under way"
    assert dashboard.get(account, "/overview")["requests_ever"] == len(logged), "the sums are of the same transactions"


def test_a_deletion_survives_kill_9(served):
    dashboard = served.dashboard
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    dashboard.switch_logging(account, True)
    for _ in range(10):  # on a busy machine it may be over when we look: then another one
        fill(served.environ, account, UUID(key["id"]))
        body = {"id": str(uuid4()), "scope": {"category": "request_content"}}
        accepted = dashboard.call("POST", account, "/deletions", body=body).json()
        assert accepted["total"] == ITEMS
        path = f"/deletions/{body['id']}"
        begun = wait_until(lambda path=path: (found := dashboard.get(account, path))["done"] > 0 and found)
        if begun["done"] < ITEMS:
            break
        wait_until(lambda path=path: dashboard.get(account, path)["finished_at"])
    served.kill_9()
    assert (begun["state"], begun["finished_at"]) == ("purging", None)
    assert begun["done"] < ITEMS, "it was killed in the middle"

    served.start()
    done = wait_until(lambda: (found := dashboard.get(account, path))["finished_at"] and found)
    assert (done["state"], done["done"], done["failure"]) == ("verified", ITEMS, None)
    for store in done["per_store"]:
        assert (store["found"], store["control_found"]) == (0, True)
        assert store["searched_pieces"] > 0
        assert "could not be repeated" in store["note"]
    inventory = dashboard.get(account, "/inventory")["rows"][0]
    assert (inventory["count"], inventory["bytes"]) == (0, 0)
    assert dashboard.requests(account, content="stored") == []


def test_files_are_private_and_stopping_is_clean(tmp_path):
    with closing(Served({"ANUMA_INSTANCE": str(tmp_path / "instance")})) as served:
        served.start()
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(60) in (0, -signal.SIGTERM)
    for path in served.instance.iterdir():
        if path.name != "dashboard-jwks.json":  # the dashboard's own, and public
            assert path.stat().st_mode & 0o077 == 0, path.name


def test_it_refuses_to_start_and_says_why(tmp_path):
    command = [sys.executable, "-m", "anuma_dash.embedded.gateway"]
    env = {"ANUMA_ENV": "production", "ANUMA_INSTANCE": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=READY_SECONDS)
    assert ended.returncode == 1
    assert "ANUMA_GATEWAY_KEK_FILES is missing" in ended.stderr
    assert "Traceback" not in ended.stderr
