"""Who writes a request's row: on SQLite the event loop itself, which waits for nobody."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from tests.gateway.conftest import run_gateway, wait_until


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def threads_in(running, monkeypatch, name):
    """The names of the threads that come to this method of the meter from now on."""
    names = []
    method = getattr(running.gateway.meter, name)

    def noted(*args):
        names.append(threading.current_thread().name)
        return method(*args)

    monkeypatch.setattr(running.gateway.meter, name, noted)
    return names


@pytest.fixture
def threads(running, monkeypatch):
    """The names of the threads that wrote."""
    return threads_in(running, monkeypatch, "_write")


@pytest.fixture
def patient(provider, tmp_path, monkeypatch):
    """A gateway on SQLite that waits for other writers as long as a busy machine may need."""
    monkeypatch.setattr("anuma_dash.embedded.gateway.engines._BUSY_SECONDS", 60.0)
    with run_gateway(tmp_path, provider, {}) as gateway:
        yield gateway


def by_the_loop(names):
    return not any(name.startswith("gateway-batches") for name in names)


@pytest.mark.parametrize("logging", [False, True], ids=["content off", "content on"])
def test_the_loop_writes_what_is_light(running, dashboard, account, key, threads, logging):
    dashboard.switch_logging(account, logging)
    assert running.chat(key["secret"]).status_code == 200
    assert by_the_loop(threads) == running.gateway.stores.main.one_writer
    assert len(dashboard.requests(account)) == 1


def test_a_thread_writes_long_content(running, dashboard, account, key, threads):
    dashboard.switch_logging(account, True)
    assert running.chat(key["secret"], "long " * 10_000).status_code == 200
    assert not by_the_loop(threads)
    (row,) = dashboard.requests(account)
    assert dashboard.content(account, row["id"])["prompt"][0]["text"] == "long " * 10_000


@pytest.mark.parametrize("store", ["main", "keys"])
def test_others_are_answered_while_somebody_else_writes(patient, monkeypatch, store):
    """A second process holds the database: the request waits in a thread, everybody else is served.

    On SQLite only: PostgreSQL's writers wait for rows, and in threads always.
    """
    dashboard, threads, answers = patient.dashboard, threads_in(patient, monkeypatch, "settle"), []
    account = dashboard.new_account()
    key = dashboard.new_key(account)
    dashboard.switch_logging(account, True)
    asking = threading.Thread(target=lambda: answers.append(patient.chat(key["secret"]).status_code))
    held = getattr(patient.gateway.stores, store)
    with closing(sqlite3.connect(held.sqlite_file, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asking.start()
        wait_until(lambda: not by_the_loop(threads))
        assert patient.http.get("/healthz").status_code == 200
        models = patient.http.get("/v1/models", headers={"authorization": f"Bearer {key['secret']}"})
        assert models.status_code == 200
        assert answers == []
        other.execute("ROLLBACK")
    asking.join(60)
    assert answers == [200]
    assert not by_the_loop(threads[-1:])
    assert len(dashboard.requests(account)) == 1


def test_what_the_loop_writes_is_moved_into_the_file(served):
    """Nobody else does: the loop's own connections leave it to whoever may wait for the disk. On SQLite only."""
    store = served.gateway.stores.main
    key = served.dashboard.new_key(served.dashboard.new_account())
    store._unmoved = 0
    store.checkpoint()
    log = store.sqlite_file.with_name(store.sqlite_file.name + "-wal")
    for _ in range(3):
        served.chat(key["secret"])
    assert log.stat().st_size > 0
    before = store.sqlite_file.stat().st_mtime_ns
    store._unmoved = 10_000
    served.chat(key["secret"])
    wait_until(lambda: store.sqlite_file.stat().st_mtime_ns > before)
    assert store._unmoved < 10
