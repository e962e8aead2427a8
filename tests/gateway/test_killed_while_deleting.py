"""kill -9 while every kind is deleted or purged, and backups of yesterday put back: all of it stays gone."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from anuma_dash.embedded.gateway.content_tables import purge_schedule
from anuma_dash.embedded.gateway.contents import Vault
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.identifiers import utc_now
from anuma_dash.embedded.gateway.kms import key_management
from anuma_dash.embedded.gateway.policy import CONTROL_NAMES
from anuma_dash.embedded.gateway.stores import Store, Stores
from tests.faults.restoring import Backups
from tests.gateway.conftest import wait_until
from tests.gateway.keeping import keep_conversation, keep_memory, keep_of_request, left, nothing
from tests.gateway.test_processes import fill, instance, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.processes
OF_EACH = 6


@contextmanager
def outside(environ, age=timedelta()):
    """What the gateway's own code sees of its stores, in this process, `age` ago."""
    settings = load_settings(environ)
    main, keys = settings.database_url.get_secret_value(), settings.keys_database_url.get_secret_value()
    with closing(Stores(Store("main database", main), Store("key database", keys))) as stores:
        vault = Vault(stores, key_management(settings))
        yield SimpleNamespace(stores=stores, vault=vault, now=lambda: utc_now() - age)


def new_account(served):  # noqa: F811
    """An account whose controls are on, for one day."""
    account = served.dashboard.new_account()
    key = served.dashboard.new_key(account)
    controls = {name: {"enabled": True, "retention_days": 1} for name in CONTROL_NAMES}
    assert served.dashboard.put_controls(account, 1, controls=controls).status_code == 200
    return account, key


def keep(served, account, key, age=timedelta()):  # noqa: F811
    """Some of each kind, and what to expect of the counts."""
    with outside(served.environ, age) as gateway:
        for number in range(OF_EACH):
            keep_memory(gateway, account, f"memory {number} that will be gone", account)
            keep_conversation(gateway, account, UUID(key["app_id"]), f"conversation {number} to be gone", account)
        if not age:
            fill(served.environ, account, UUID(key["id"]), OF_EACH)
            for row in served.dashboard.requests(account, limit=OF_EACH):
                keep_of_request(gateway, account, row["id"], "words that will be gone")
        return left(gateway, account)


def test_a_deletion_of_everything_is_killed_again_and_again(served):  # noqa: F811
    account, key = new_account(served)
    assert set(keep(served, account, key).values()) == {OF_EACH}
    body = {"id": str(uuid4()), "scope": {"category": "all_content"}}
    total = served.dashboard.call("POST", account, "/deletions", body=body).json()["total"]
    path = f"/deletions/{body['id']}"
    for part in (1, 10, 20):
        wait_until(lambda part=part: served.dashboard.get(account, path)["done"] >= part)
        served.kill_9()
        served.start()
    done = wait_until(lambda: (found := served.dashboard.get(account, path))["finished_at"] and found)
    assert (done["state"], done["total"], done["done"]) == ("verified", total, total)
    counts = {(store["store"], store["category"]): store["count"] for store in done["per_store"]}
    assert {count for (store, _), count in counts.items() if store == "main database"} == {OF_EACH}
    with outside(served.environ) as gateway:
        assert left(gateway, account) == nothing()


def test_a_purge_is_killed_again_and_again(served):  # noqa: F811
    """It goes on by itself: the next run was due before it was killed, and still is."""
    account, key = new_account(served)
    before = keep(served, account, key, timedelta(days=2))
    with outside(served.environ) as gateway, gateway.stores.main.write() as connection:
        wait_for_schedule(served)
        connection.execute(update(purge_schedule).values(next_at=utc_now() - timedelta(minutes=1)))
    served.kill_9()
    served.start()

    def purged():
        return served.dashboard.get(account, "/data-state")["purges"]

    for part in (1, OF_EACH // 2, OF_EACH):
        wait_until(lambda part=part: sum(run["count"] for run in purged()) >= part)
        served.kill_9()
        served.start()
    runs = wait_until(lambda: len(found := purged()) == 2 and {one["state"] for one in found} == {"done"} and found)
    assert {run["category"]: run["count"] for run in runs} == {name: count for name, count in before.items() if count}
    with outside(served.environ) as gateway:
        assert left(gateway, account) == nothing()
    planned = served.dashboard.get(account, "/inventory")["rows"][0]["next_purge"]
    assert planned > utc_now().isoformat(), "the next one is planned"


def wait_for_schedule(served):  # noqa: F811
    """The gateway has planned its first run."""
    with outside(served.environ) as gateway:

        def planned():
            with gateway.stores.main.read() as connection:
                return connection.execute(purge_schedule.select()).one_or_none()

        wait_until(planned)


@pytest.mark.parametrize("restored", [("main",), ("keys",), ("main", "keys")], ids="-".join)
def test_yesterdays_backup_brings_nothing_back(served, tmp_path, restored):  # noqa: F811
    account, key = new_account(served)
    keep(served, account, key)
    settings = load_settings(served.environ)
    urls = {"main": settings.database_url.get_secret_value(), "keys": settings.keys_database_url.get_secret_value()}
    served.kill_9()
    with closing(Backups(urls, tmp_path)) as backups:
        backups.take(*restored)
        served.start()
        body = {"id": str(uuid4()), "scope": {"category": "all_content"}}
        served.dashboard.call("POST", account, "/deletions", body=body)
        path = f"/deletions/{body['id']}"
        wait_until(lambda: served.dashboard.get(account, path)["finished_at"])
        served.kill_9()
        backups.restore(*restored)
        served.start()
        with outside(served.environ) as gateway:
            query = "SELECT count(*) FROM data_keys WHERE account_id = :account AND kind <> 'search'"
            written = str(account) if "postgresql" in urls["keys"] else account.hex
            assert backups.rows("keys", query, account=written) == [(0,)], "unreadable before anything is served"
            done = wait_until(lambda: (found := served.dashboard.get(account, path))["finished_at"] and found)
            assert done["state"] == "verified"
            assert left(gateway, account) == nothing()
