"""The key-encryption key is rotated while content is being stored; afterwards the old one is not needed."""

from __future__ import annotations

import base64
import secrets
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from uuid import UUID

import pytest
from pydantic import SecretBytes
from sqlalchemy import select

from anuma_dash.embedded.gateway.contents import Vault
from anuma_dash.embedded.gateway.encryption import KeyRing
from anuma_dash.embedded.gateway.identifiers import utc_now
from anuma_dash.embedded.gateway.rewrapping import rewrap
from anuma_dash.embedded.gateway.settings import KeyEncryptionKey
from anuma_dash.embedded.gateway.tables import data_keys
from tests.gateway.conftest import wait_until
from tests.gateway.test_processes import ROOT, Served, fill
from tests.processes import READY_SECONDS

NEW = KeyEncryptionKey(id="new", secret=SecretBytes(secrets.token_bytes(32)))
ITEMS = 60
IN_BATCHES = """
import runpy, sys, types
from anuma_dash.embedded.gateway import rewrapping
rewrapping._BATCH, rewrapping.time = 20, types.SimpleNamespace(sleep=lambda seconds: sys.stdin.readline())
sys.argv = ["gateway", "rewrap"]
runpy.run_module("anuma_dash.embedded.gateway", run_name="__main__")
"""


def identifiers(gateway):
    with gateway.stores.keys.read() as connection:
        return set(connection.scalars(select(data_keys.c.kek_id)))


def stored(running):
    account = running.dashboard.new_account()
    key = running.dashboard.new_key(account)
    running.dashboard.switch_logging(account, True)
    answer = running.chat(key["secret"], "said under the old key")
    assert answer.headers["x-anuma-content-stored"] == "true"
    return account, answer.headers["x-request-id"]


def test_data_keys_are_wrapped_anew_and_content_stays_as_it_is(running):
    account, request = stored(running)
    gateway, old = running.gateway, running.settings.key_encryption_keys
    with gateway.stores.main.read() as connection:
        query = "SELECT ciphertext FROM request_contents ORDER BY request_id"
        before = connection.exec_driver_sql(query).scalars().all()
    rewrap(running.settings.model_copy(update={"key_encryption_keys": (NEW, *old)}))
    assert identifiers(gateway) == {"new"}
    assert gateway.vault.missing_keys() == ["new"]

    rewrap(running.settings.model_copy(update={"key_encryption_keys": (*old, NEW)}))
    assert gateway.vault.missing_keys() == []
    assert "said under the old key" in str(running.dashboard.content(account, request))
    with gateway.stores.main.read() as connection:
        assert connection.exec_driver_sql(query).scalars().all() == before, "content is not encrypted anew"


def test_a_key_destroyed_meanwhile_stays_destroyed(running):
    _, request = stored(running)
    gateway, old = running.gateway, running.settings.key_encryption_keys
    vault = Vault(gateway.stores, KeyRing((NEW, *old)))
    gateway.vault.destroy_keys([UUID(request)])
    while vault.rewrap_batch(None, 10):
        pass
    with gateway.stores.keys.read() as connection:
        assert connection.scalar(select(data_keys.c.id).where(data_keys.c.id == UUID(request))) is None
    rewrap(running.settings.model_copy(update={"key_encryption_keys": (*old, NEW)}))


def kek(folder, name):
    path = folder / f"{name}.kek"
    path.write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    path.chmod(0o600)
    return f"{name}:{path}"


def run(environ, *command):
    return subprocess.run(
        [sys.executable, "-m", "anuma_dash.embedded.gateway", *command],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"} | environ,
        capture_output=True,
        text=True,
        timeout=READY_SECONDS,
    )


@pytest.mark.processes
def test_rotation_under_load(tmp_path):
    one, two = kek(tmp_path, "one"), kek(tmp_path, "two")
    environ = {"ANUMA_INSTANCE": str(tmp_path / "instance"), "ANUMA_GATEWAY_KEK_FILES": one}
    with closing(Served(environ)) as served:
        served.start()
        account = served.dashboard.new_account()
        key = served.dashboard.new_key(account)
        served.dashboard.switch_logging(account, True)
        fill(environ, account, UUID(key["id"]), ITEMS)
        filled = utc_now()
        served.kill_9()

        environ["ANUMA_GATEWAY_KEK_FILES"] = two
        refused = run(environ)
        assert refused.returncode == 1
        assert "stored content needs the key-encryption key one, which is not configured" in refused.stderr

        environ["ANUMA_GATEWAY_KEK_FILES"] = f"{two},{one}"
        served.start()
        answers: list[tuple[int, str]] = []
        done = threading.Event()
        load = threading.Thread(target=send, args=(served, key["secret"], answers, done))
        load.start()
        try:
            wait_until(lambda: len(answers) > 2)
            with rewrapping(environ) as rewraps:
                wait_until(lambda: 0 < wrapped_by(served, "one") < ITEMS)
                during = len(answers)
                wait_until(lambda: len(answers) > during + 2)
                assert wrapped_by(served, "one"), "all of this was in the middle of it"
                said, complaint = rewraps.communicate(timeout=READY_SECONDS)
            assert (rewraps.returncode, "wrapped by two" in said) == (0, True), complaint
            during = len(answers)
            wait_until(lambda: len(answers) > during + 2)
        finally:
            done.set()
            load.join()
        assert set(answers) == {(200, "true")}, "nothing was refused or left out meanwhile"
        served.kill_9()

        environ["ANUMA_GATEWAY_KEK_FILES"] = two
        served.start()
        counts = {row["category"]: row["count"] for row in served.dashboard.get(account, "/inventory")["rows"]}
        assert counts["request_content"] == ITEMS + len(answers)
        old = served.dashboard.requests(account, content="stored", to=filled.isoformat(), limit=200)
        assert len(old) == ITEMS
        for row in [*old[:5], *old[-5:], *served.dashboard.requests(account, content="stored", limit=5)]:
            assert served.dashboard.content(account, row["id"])["prompt"], "it opens under the new key alone"


def rewrapping(environ):
    """The command, which here goes on with the next batch only when its input is closed."""
    return subprocess.Popen(
        [sys.executable, "-c", IN_BATCHES],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin"} | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wrapped_by(served, kek):
    with closing(sqlite3.connect(served.instance / "gateway-keys.sqlite", timeout=60)) as keys:
        return keys.execute("SELECT count(*) FROM data_keys WHERE kek_id = ?", (kek,)).fetchone()[0]


def send(served, secret, answers, done):
    body = {"model": "anuma/echo", "messages": [{"role": "user", "content": "under load"}]}
    while not done.is_set():
        headers = {"authorization": f"Bearer {secret}"}
        answer = served.dashboard.http.post(f"{served.base_url}/v1/chat/completions", json=body, headers=headers)
        answers.append((answer.status_code, answer.headers["x-anuma-content-stored"]))
