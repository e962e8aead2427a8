"""The worker is killed in the middle of a deletion; the deletion completes, and each effect happens once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import openai
import pytest
from sqlalchemy import select

from anuma_dash import audit
from anuma_dash.audit import AuditEntry
from anuma_dash.db import Database, new_id
from anuma_dash.domain.accounts import create_account, sync_account
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.deletions import Deletion, request_deletion
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import OPERATOR, Actor, Role, User
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings
from anuma_dash.workflows import Context, utc_now
from tests.processes import ROOT, Stack, stack, wait_until

pytestmark = pytest.mark.processes
REQUESTS = 30


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Stack]:
    """Gateway and worker as processes of their own, on SQLite files of their own."""
    with stack(tmp_path) as found:
        settings = Settings.from_environment(found.environment)
        migrate(settings.database_url)
        found.start_gateway()
        yield found


def _olive(context: Context) -> Actor:
    now = utc_now()
    with context.db.transaction() as tx:
        user = User(id=new_id(), name="Olive", email=None, time_zone="UTC", created_at=now, attested_age_at=now)
        tx.add(user)
        tx.flush()
        account = create_account(tx, OPERATOR, user, "Northwind Labs", "organization", now)
    return Actor(kind="user", user_id=user.id, name=user.name, role=Role.OWNER, account_id=account.id)


def _stored_requests(context: Context, olive: Actor, account_id: UUID, found: Stack) -> None:
    sync_account(context, account_id)
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    change = request_control(context, olive, account_id, logging, enabled=True, accepted_sha256=accepted)
    assert change.outcome == "in_effect"
    key = context.gateway.create_key(olive, account_id, schemas.NewKey(name="ci"), str(new_id()))
    with openai.OpenAI(base_url=f"{found.gateway}/v1", api_key=key.secret, max_retries=0) as client:
        for number in range(REQUESTS):
            client.chat.completions.create(
                model="anuma/echo", messages=[{"role": "user", "content": f"Hello {number}"}]
            )


@pytest.mark.parametrize("code_changes", [False, True], ids=["same code", "changed code"])
def test_a_killed_worker_is_followed_by_another(
    running: Stack, tmp_path: Path, code_changes: bool, request: pytest.FixtureRequest
) -> None:
    settings = Settings.from_environment(running.environment)
    context = Context(Database(settings.database_url), Gateway.from_settings(settings))
    request.addfinalizer(context.gateway.close)
    request.addfinalizer(context.db.dispose)
    olive = _olive(context)
    assert olive.account_id is not None
    _stored_requests(context, olive, olive.account_id, running)

    scope = schemas.DeletionScope(category="request_content")
    with running.processes["gateway-0"].paused():
        deletion = request_deletion(context, olive, olive.account_id, scope, count=REQUESTS, token=new_id())
        worker = running.start_worker()
        # The attempt hangs in its call, so the kill hits the middle of it; whether the gateway acts is open.
        wait_until(lambda: _deletion(context, deletion.id).attempt > 1, "the worker has begun")
        worker.kill()
        assert _deletion(context, deletion.id).state == "requested"
    running.start_worker(_changed_copy(tmp_path) if code_changes else ROOT)

    wait_until(lambda: _deletion(context, deletion.id).state == "verified", "the deletion is verified", 90)
    finished = _deletion(context, deletion.id)
    assert finished.result is not None
    assert finished.result.done == REQUESTS
    assert all(store.found == 0 for store in finished.result.per_store)
    with context.db.reading() as tx:
        events = list(tx.scalars(select(AuditEntry.event).where(AuditEntry.chain == olive.account_id)))
        assert events.count("deletion.requested") == events.count("deletion.verified") == 1
        assert audit.verify(tx, olive.account_id).broken_at is None
    inventory = context.gateway.inventory(olive, olive.account_id)
    assert {row.category: row.count for row in inventory.rows}["request_content"] == 0


def _deletion(context: Context, deletion_id: UUID) -> Deletion:
    with context.db.reading() as tx:
        return tx.get_one(Deletion, deletion_id)


def _changed_copy(tmp_path: Path) -> Path:
    root = tmp_path / "next-release"
    shutil.copytree(ROOT / "anuma_dash", root / "anuma_dash", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("templates", "static"):
        (root / name).symlink_to(ROOT / name)
    worker = root / "anuma_dash" / "worker.py"
    # The engine tells versions apart by the source of their workflows.
    before = worker.read_text()
    after = before.replace("    _step(kind, row_id, attempt)\n", "    _step(kind, row_id, int(attempt))\n")
    assert after != before, "the line that changes has changed"
    worker.write_text(after)
    return root
