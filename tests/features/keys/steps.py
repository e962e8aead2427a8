"""What the stories about keys have in common."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.db import Base
from anuma_dash.gateway import schemas
from tests.browser import Browser
from tests.factories import Person
from tests.world import World


def make_key(world: World, person: Person, name: str = "ci", **fields: Any) -> schemas.CreatedKey:
    """A key of this person, made at the gateway behind the dashboard's back."""
    body = schemas.NewKey(name=name, created_by=person.id, **fields)
    return world.server.client.create_key(person.actor, person.account_id, body, str(uuid4()))


def keys_of(world: World, account_id: UUID) -> list[schemas.Key]:
    """The account's keys as the gateway itself has them, oldest first."""
    return world.server.client.keys(world.olive.actor, account_id).data[::-1]


def events(world: World) -> list[str]:
    """The names of what was recorded about keys, oldest first."""
    return [entry.event for entry in world.rows(AuditEntry) if entry.event.startswith("key.")]


def details(world: World) -> str:
    """Everything that the audit log says, as one text."""
    return json.dumps([row.body for row in world.rows(AuditDetail)])


def every_cell(world: World) -> str:
    """Everything that stands in any table, as one text."""
    with world.db.engine.connect() as connection:
        tables = [connection.execute(table.select()).all() for table in Base.metadata.sorted_tables]
    return " ".join(str(value) for table in tables for row in table for value in row)


def later_in_effect(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway accepts revocations, and says that they are not in effect yet."""

    def not_yet(real: Any) -> Any:
        return lambda *arguments: real(*arguments).model_copy(update={"revocation_in_effect_at": None})

    for name in ("revoke_key", "key"):
        monkeypatch.setattr(type(world.gateway), name, not_yet(getattr(type(world.gateway), name)))


def fill_in(page: Browser, name: str = "ci", **fields: str) -> Browser:
    """Send the form of a new key."""
    return page.visit("/keys/new").submit("Make the key", name=name, **fields)
