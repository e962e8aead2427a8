"""Yesterday's backup of any of the stores is restored: what was deleted, revoked and switched off stays so."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import UUID, uuid4

import pytest

from anuma_dash.domain.controls import ControlChange
from anuma_dash.domain.deletions import Deletion, request_deletion
from anuma_dash.domain.invitations import Invitation
from anuma_dash.errors import GatewayRefused
from anuma_dash.features.keys.service import KeyWish, create_key
from anuma_dash.features.people import departures
from anuma_dash.features.people.departures import remove_member
from anuma_dash.features.people.invitations import invite, revoke_invitation
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Role
from tests.browser import Browser
from tests.databases import postgres_missing
from tests.faults.restoring import Deployment, deployment
from tests.features.data_controls.steps import make_key, pill, switch
from tests.gateway.test_processes import fill
from tests.processes import READY_SECONDS, Process, wait_until

pytestmark = pytest.mark.processes
ITEMS = 40
LATER_ACCOUNT = uuid4()
VARIANTS = [("sqlite", "main"), ("sqlite", "keys"), ("postgresql", "main keys")]
ALL = schemas.DeletionScope(category="request_content")


@pytest.fixture(scope="module")
def deployments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Deployment]]:
    """The deployments of this module by engine, each with its yesterday and its today."""
    made: dict[str, Deployment] = {}
    opened = []
    try:

        class Deployments(dict[str, Deployment]):
            def __missing__(self, engine: str) -> Deployment:
                manager = deployment(tmp_path_factory.mktemp(engine), engine)
                self[engine] = made[engine] = manager.__enter__()
                opened.append(manager)
                yesterday(self[engine])
                today(self[engine])
                return self[engine]

        yield Deployments()
    finally:
        for manager in opened:
            manager.__exit__(None, None, None)


def on(deployments: dict[str, Deployment], engine: str) -> Deployment:
    missing = postgres_missing() if engine == "postgresql" else None
    if missing and not os.environ.get("CI"):
        pytest.skip(missing)
    return deployments[engine]


def yesterday(found: Deployment) -> None:
    """Logging is on, three keys work, content is stored; then the backup is made."""
    world = found.world
    switch(world, world.olive, True)
    for name in ("revoked", "kept"):
        made = make_key(world, world.olive, name)
        found.keys[name], found.secrets[name] = made.id, made.secret or ""
    made = make_key(world, world.strange, "strange")
    found.secrets["strange"] = made.secret or ""
    fill(found.running.environment, world.northwind, found.keys["kept"], ITEMS)
    answer = world.chat(found.secrets["kept"], "what was said yesterday")
    assert answer.headers["X-Anuma-Content-Stored"] == "true"
    found.noted["request"] = UUID(answer.headers["X-Request-Id"])
    context = world.services.context
    invite(context, world.olive.actor, world.northwind, email="gone@invited.example", role=Role.VIEWER)
    found.noted["session"] = world.browser(world.olive).visit("/data-controls").cookie(world.session_cookie)
    found.gateway.kill()
    found.backups.take("main", "keys", "dashboard")
    found.noted["pieces"] = [
        *(row[0][:40] for row in found.backups.rows("main", "SELECT ciphertext FROM request_contents LIMIT 5")),
        *(row[0] for row in found.backups.rows("keys", "SELECT wrapped FROM data_keys LIMIT 5")),
    ]
    found.start()


def today(found: Deployment) -> None:
    """Content is deleted, logging switched off, a key revoked, one handed over, an account suspended, one made."""
    world = found.world
    deletion = request_deletion(
        world.services.context, world.olive.actor, world.northwind, ALL, count=None, token=uuid4()
    )
    wait_until(lambda: told_deletion(found, deletion.id).state == "verified", "the deletion is verified")
    found.noted["deletion"] = deletion.id
    old_session(found).visit("/data-controls").submit("Sign out")
    context = world.services.context
    remove_member(
        context, world.olive.actor, world.northwind, world.vera.id, expected=Role.VIEWER, wish=departures.KeyWish()
    )
    (invitation,) = world.rows(Invitation)
    revoke_invitation(context, world.olive.actor, world.northwind, invitation.id)
    for enabled in (False, True, False):
        assert switch(world, world.olive, enabled).outcome == "in_effect"
    world.gateway.revoke_key(world.olive.actor, world.northwind, found.keys["revoked"])
    change = schemas.KeyChange(created_by=world.ada.id)
    world.gateway.change_key(WORKER, world.northwind, found.keys["kept"], change)
    world.gateway.put_account(WORKER, world.elsewhere, "Elsewhere", "suspended")
    world.gateway.put_account(WORKER, LATER_ACCOUNT, "Later", "active")
    world.gateway.put_controls(WORKER, LATER_ACCOUNT, requested(epoch=7, enabled=False))
    wish = KeyWish(name="made today", environment="live", expires_in_days=None)
    young = create_key(world.services.context, world.olive.actor, world.northwind, uuid4(), wish)
    found.secrets["young"] = young.secret or ""
    found.noted["young"] = young.intent.key_id
    assert world.chat(found.secrets["young"], "made today").status_code == 200
    found.noted["controls"] = told_controls(found)
    assert found.noted["controls"].epoch == 4


def old_session(found: Deployment) -> Browser:
    """The browser in which Olive was signed in yesterday, and signed out today."""
    browser = found.world.browser()
    browser.set_cookie(found.world.session_cookie, found.noted["session"])
    return browser


def requested(*, epoch: int, enabled: bool) -> schemas.RequestedControls:
    names = schemas.ControlName.__args__  # type: ignore[attr-defined]
    return schemas.RequestedControls.model_validate(
        {"epoch": epoch, "controls": {name: {"enabled": enabled} for name in names}}
    )


def told_deletion(found: Deployment, deletion_id: UUID) -> schemas.Deletion:
    return found.world.gateway.deletion(WORKER, found.world.northwind, deletion_id)


def told_controls(found: Deployment) -> schemas.Controls:
    return found.world.gateway.data_state(WORKER, found.world.northwind).controls


def data_keys(found: Deployment) -> int:
    return len(found.backups.rows("keys", "SELECT id FROM data_keys"))


def contents(found: Deployment) -> int:
    return len(found.backups.rows("main", "SELECT request_id FROM request_contents"))


def nothing_came_back(found: Deployment) -> None:
    """Everything that must hold the moment the gateway answers, and when the deletion was verified again."""
    world, noted = found.world, found.noted
    assert data_keys(found) == 0, "unreadable before anything was served"
    content = world.gateway.request_content(WORKER, world.northwind, noted["request"]) if rows_kept(found) else None
    assert content is None or (content.content.stored, content.prompt) == (False, None)
    assert told_controls(found) == noted["controls"], "the same epoch, body and times"
    assert world.gateway.key(WORKER, world.northwind, found.keys["kept"]).created_by == world.ada.id
    for secret, status, code in (
        ("revoked", 401, "revoked_api_key"),
        ("strange", 403, "account_suspended"),
    ):
        answer = world.chat(found.secrets[secret], "am I let in?")
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    answer = world.chat(found.secrets["kept"], "said after the restore")
    assert (answer.status_code, answer.headers["X-Anuma-Content-Stored"]) == (200, "false")
    assert world.gateway.data_state(WORKER, LATER_ACCOUNT).controls.epoch == 7
    with pytest.raises(GatewayRefused) as refused:
        world.gateway.put_controls(WORKER, LATER_ACCOUNT, requested(epoch=6, enabled=True))
    assert refused.value.problem["stored_epoch"] == 7
    page = world.browser(world.olive).visit("/data-controls")
    assert (pill(page), f"settings version {noted['controls'].epoch}" in page.text) == ("Off", True)
    wait_until(lambda: told_deletion(found, noted["deletion"]).state == "verified", "it is verified again")
    assert all(store.found == 0 for store in told_deletion(found, noted["deletion"]).per_store)
    assert contents(found) == 0
    for path in (found.running.folder / "instance").glob("gateway*.sqlite*"):
        assert not [piece for piece in noted["pieces"] if piece in path.read_bytes()], path.name


def a_key_made_today_is_unknown(found: Deployment) -> None:
    """The gateway has lost it: it opens nothing, and no page says that it works."""
    answer = found.world.chat(found.secrets["young"], "does it open anything?")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    page = found.world.browser(found.world.olive).visit("/keys")
    assert {row["Name"] for row in page.table("API keys")} == {"kept", "revoked"}
    assert page.request("GET", f"/keys/{found.noted['young']}").status_code == 404


def rows_kept(found: Deployment) -> bool:
    return bool(found.backups.rows("main", "SELECT id FROM requests"))


@pytest.mark.parametrize(("engine", "stores"), VARIANTS)
def test_what_was_ended_stays_ended(deployments: dict[str, Deployment], engine: str, stores: str) -> None:
    found = on(deployments, engine)

    def look() -> None:
        if "keys" in stores:
            assert data_keys(found) == ITEMS + 1, "the backup brought the data keys back"
        if "main" in stores:
            assert contents(found) == ITEMS + 1

    found.restored(*stores.split(), look=look)

    nothing_came_back(found)
    again = told_deletion(found, found.noted["deletion"])
    assert sum(store.searched_pieces for store in again.per_store) > 0, "it was searched for again"
    log = (found.running.folder / "instance" / "gateway.log").read_text().splitlines()
    replayed = [json.loads(line) for line in log if '"journal_replayed"' in line][-1]
    assert replayed["deletions_destroyed_again"] >= int("keys" in stores)
    if "main" in stores:
        assert set(replayed["acts"]) == {"deletion", "controls", "revocation", "account", "deactivation", "handover"}
        a_key_made_today_is_unknown(found)


@contextmanager
def held_in_the_middle(found: Deployment) -> Iterator[Process]:
    """The gateway begins on yesterday's backups; once it has destroyed some data keys, its key database is held.

    On a busy machine all of them may be gone when this process gets its turn: then it begins from yesterday again.
    """
    if found.gateway.popen.poll() is None:
        found.gateway.kill()
    for _ in range(20):
        found.backups.restore("main", "keys")
        assert (data_keys(found), contents(found)) == (ITEMS + 1, ITEMS + 1), "the backups brought it back"
        process = found.begin()
        path = found.backups.urls["keys"].removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as keys:
            deadline = time.monotonic() + READY_SECONDS
            while keys_left(keys) >= ITEMS:
                assert process.popen.poll() is None, process.log.read_text()
                assert time.monotonic() < deadline, "it destroys nothing"
            keys.execute("BEGIN IMMEDIATE")
            if keys_left(keys):
                yield process
                return
        process.kill()
    raise AssertionError("it was never met in the middle")


def keys_left(keys: sqlite3.Connection) -> int:
    return int(keys.execute("SELECT count(*) FROM data_keys").fetchone()[0])


def test_killed_in_the_middle_of_the_replay(deployments: dict[str, Deployment]) -> None:
    found = on(deployments, "sqlite")
    with held_in_the_middle(found) as process:
        assert not found.serves(), "it serves only when all of it is done"
        process.kill()
    assert 0 < data_keys(found) < ITEMS, "it was killed in the middle"

    found.start()
    nothing_came_back(found)


def test_without_its_journal_it_does_not_start(deployments: dict[str, Deployment]) -> None:
    found = on(deployments, "sqlite")
    if found.gateway.popen.poll() is None:
        found.gateway.kill()
    away = found.journal.rename(found.journal.with_suffix(".away"))
    try:
        refused = found.begin()
        assert refused.popen.wait(READY_SECONDS) == 1
        assert b"is missing" in refused.log.read_bytes()
    finally:
        away.rename(found.journal)


def test_the_dashboards_database_is_restored(deployments: dict[str, Deployment]) -> None:
    found = on(deployments, "sqlite")
    world = found.world
    found.start()
    told = told_controls(found)
    session = old_session(found)
    assert session.request("GET", "/data-controls").status_code == 303
    world.db.dispose()
    found.backups.restore("dashboard")
    assert world.rows(Deletion) == []
    assert [change.epoch for change in world.rows(ControlChange)] == [1]
    assert pill(world.browser(world.olive).visit("/data-controls")) == "Unknown", "the gateway's epoch is higher"
    assert session.request("GET", "/data-controls").status_code == 200, "the backup brought the session back"
    assert world.browser(world.vera).request("GET", "/people").status_code == 200, "and whoever was removed"
    assert [row.state for row in world.rows(Invitation)] == ["pending"], "and what was revoked"

    said = run_restored(found)
    assert f"{world.northwind} Northwind Labs: 1 deletions taken over" in said
    assert f"settings version {told.epoch}, the backup knows 1" in said
    assert "suspended, as the gateway says" in said
    assert "1 invitations revoked; 4 members wait for an owner to confirm them" in said
    assert f"Staff as of the backup, look whether still so: {world.ines.email}: administrator" in said
    assert session.request("GET", "/data-controls").status_code == 303, "no session outlives it"
    assert world.browser(world.vera).request("GET", "/people").status_code == 403, "nobody comes back unseen"
    assert [row.state for row in world.rows(Invitation)] == ["revoked"]
    page = world.browser(world.olive).visit("/people")
    assert "4 members wait to be confirmed" in page.text
    page.submit("Confirm all of them").visit("/deletions")
    assert page.table("Deletions")[0]["By"] == "Not known (backup restored)"
    assert "restored a backup of the dashboard" in page.visit("/activity").text

    change = switch(world, world.olive, False)
    assert change.outcome == "overtaken", "the gateway was at a later epoch"
    assert told_controls(found) == told
    world.run_worker(seconds=3)
    assert told_controls(found).epoch == told.epoch + 1, "epochs never run backwards"
    page.visit("/data-controls")
    assert (pill(page), told_controls(found).controls["prompt_logging"].enabled) == ("Off", False)
    found.noted["controls"] = told_controls(found)


def run_restored(found: Deployment) -> str:
    process = found.running.start("restored", "-m", "anuma_dash", "restored")
    assert process.popen.wait(READY_SECONDS) == 0, process.log.read_text()
    return process.log.read_text()
