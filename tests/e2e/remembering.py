"""Memories in a browser: switched on behind the dashboard's back, so that no other story's settings are asked for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import UUID

from joserfc.jwk import ECKey
from playwright.sync_api import Page

from anuma_dash.domain.controls.names import CONTROL_NAMES
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import Actor
from tests.processes import Stack


def switch_on_for(product: Stack, name: str) -> None:
    """Have the gateway obey that memories are on for this person, in the account that they joined first."""
    instance = Path(product.environment["ANUMA_INSTANCE"])
    with closing(sqlite3.connect(instance / "dashboard.sqlite")) as database:
        query = (
            "SELECT u.id, m.account_id FROM users u JOIN memberships m ON m.user_id = u.id WHERE u.name = ? "
            "ORDER BY m.created_at, m.id LIMIT 1"
        )
        person, account = (UUID(str(one)) for one in database.execute(query, [name]).fetchone())
    key = ECKey.import_key((instance / "dashboard-jwt.pem").read_text())
    actor, gateway = Actor(kind="user", user_id=person, account_id=account), Gateway(product.gateway, key)
    try:
        epoch = gateway.data_state(actor, account).controls.epoch + 1
        controls = {one: schemas.ControlSetting(enabled=False) for one in CONTROL_NAMES}
        on = {person: {"memories": schemas.PersonalSetting(enabled=True)}}
        gateway.put_controls(
            actor,
            account,
            schemas.RequestedControls.model_validate({"epoch": epoch, "controls": controls, "people": on}),
        )
    finally:
        gateway.close()


def add(page: Page, dashboard: str, text: str) -> None:
    """Add a memory by its form."""
    page.goto(f"{dashboard}/memories/new")
    page.get_by_role("textbox", name="Memory").fill(text)
    page.get_by_role("button", name="Keep it").click()
    page.get_by_text("The gateway keeps the memory.").wait_for()
