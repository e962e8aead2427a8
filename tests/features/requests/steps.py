"""What the stories about requests have in common."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.controls.names import CONTROL_NAMES
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.gateway import schemas
from tests.factories import Person
from tests.world import World


def make_key(world: World, person: Person, name: str = "ci", **fields: Any) -> schemas.CreatedKey:
    """A key of this person, made at the gateway."""
    body = schemas.NewKey(name=name, created_by=person.id, **fields)
    return world.server.client.create_key(person.actor, person.account_id, body, str(uuid4()))


def switch_logging(world: World, *, enabled: bool) -> None:
    """Switch prompt logging of Northwind, in effect at once."""
    accepted = current_disclosure("prompt_logging").sha256 if enabled else None
    context = world.services.context
    change = request_control(
        context,
        world.olive.actor,
        world.northwind,
        CONTROLS["prompt_logging"],
        enabled=enabled,
        accepted_sha256=accepted,
    )
    assert change.outcome == "in_effect"


def ask(world: World, key: schemas.CreatedKey, text: str = "hello", **fields: Any) -> str:
    """Call the gateway; returns the request's identifier."""
    answer = world.chat(key.secret or "", text, **fields)
    found = world.server.client.requests(world.olive.actor, world.northwind, limit=1).data
    assert answer.headers["X-Request-Id"]
    return str(found[0].id)


def readings(world: World) -> int:
    """How many times reading content was recorded."""
    return sum(entry.event == "content.read" for entry in world.rows(AuditEntry))


def obey(world: World, *on: str, people: dict[Any, Any] | None = None, **fields: Any) -> None:
    """Have Northwind's gateway obey that these controls are on and the others off, whatever the dashboard asked."""
    client = world.server.client
    epoch = client.data_state(world.olive.actor, world.northwind).controls.epoch + 1
    controls = {name: schemas.ControlSetting(enabled=name in on) for name in CONTROL_NAMES}
    wish = schemas.RequestedControls(epoch=epoch, controls=controls, people=people or {}, **fields)
    client.put_controls(world.olive.actor, world.northwind, wish)
