"""A gateway that has lost an account is told of it again by the next change."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from anuma_dash.db import new_id
from anuma_dash.domain.accounts import AccountSync, create_account
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.features.keys.service import KeyWish, create_key
from anuma_dash.identity import OPERATOR, Actor, Role, User
from anuma_dash.migrations import SCRIPTS, Outdated, check
from anuma_dash.web.observe import check_versions
from tests.world import World

HEAD = SCRIPTS.get_current_head()


@pytest.fixture
def lost(world: World) -> Actor:
    """Sam, owner of an account that the gateway confirmed once and knows no more."""
    now = world.clock.now
    with world.db.transaction() as tx:
        sam = tx.get_one(User, world.sam.id)
        account = create_account(tx, OPERATOR, sam, "Restored from yesterday", "organization", now)
        account.gateway_synced_at = now
        for task in tx.scalars(select(AccountSync).where(AccountSync.account_id == account.id)):
            task.next_try_at = None
    return Actor(kind="user", user_id=sam.id, name=sam.name, role=Role.OWNER, account_id=account.id)


def test_a_page_says_that_the_gateway_does_not_know_the_account(world: World, lost: Actor) -> None:
    page = world.browser(world.sam).visit("/data-controls")
    assert "The gateway does not know this account. The next change you make here tells it." in page.text


def test_the_next_switch_tells_it(world: World, lost: Actor) -> None:
    control = CONTROLS["prompt_logging"]
    accepted = current_disclosure(control.name).sha256
    assert lost.account_id is not None
    change = request_control(
        world.services.context, lost, lost.account_id, control, enabled=True, accepted_sha256=accepted
    )
    assert change.outcome == "in_effect"
    assert world.gateway.data_state(lost, lost.account_id).controls.controls["prompt_logging"].enabled


def test_the_next_key_tells_it(world: World, lost: Actor) -> None:
    assert lost.account_id is not None
    creation = create_key(world.services.context, lost, lost.account_id, new_id(), KeyWish("ci", "live", None))
    assert creation.intent.outcome == "done"
    assert creation.secret is not None
    assert world.chat(creation.secret).status_code == 200


def test_a_database_of_another_version_keeps_the_dashboard_from_starting(world: World) -> None:
    check(world.db)
    with world.db.transaction() as tx:
        tx.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0000'")
    try:
        with pytest.raises(Outdated, match=f"schema 0000, this version wants {HEAD}"):
            check_versions(world.app)
        running = world.browser().request("GET", "/readyz")
        assert running.status_code == 200, "a process that runs goes on while a newer version takes over"
        assert "database: ok, and of a newer version" in running.text
        with world.db.transaction() as tx:
            tx.connection().exec_driver_sql("DELETE FROM alembic_version")
        behind = world.browser().request("GET", "/readyz")
        assert behind.status_code == 503
        assert f"database: The database has schema none, this version wants {HEAD}." in behind.text
        with world.db.transaction() as tx:
            tx.connection().exec_driver_sql("INSERT INTO alembic_version VALUES ('0000')")
    finally:
        with world.db.transaction() as tx:
            tx.connection().exec_driver_sql(f"UPDATE alembic_version SET version_num = '{HEAD}'")
