"""Steps that several stories of the data controls share."""

from __future__ import annotations

from anuma_dash.db import new_id
from anuma_dash.domain.controls import CONTROLS, Control, ControlChange, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.gateway import schemas
from tests.browser import Browser
from tests.factories import Person
from tests.world import World

LOGGING = CONTROLS["prompt_logging"]
SWITCH = "Prompt logging"


def make_key(world: World, person: Person, name: str = "ci") -> schemas.CreatedKey:
    """A key of this person, made at the gateway."""
    assert person.account_id is not None
    new_key = schemas.NewKey(name=name, created_by=person.id)
    return world.server.client.create_key(person.actor, person.account_id, new_key, str(new_id()))


def switch(world: World, person: Person, enabled: bool, control: Control = LOGGING) -> ControlChange:
    """Switch a control of the account without a page."""
    assert person.account_id is not None
    accepted = current_disclosure(control.name).sha256 if enabled else None
    return request_control(
        world.services.context, person.actor, person.account_id, control, enabled=enabled, accepted_sha256=accepted
    )


def stored(world: World, secret: str | None, text: str = "hello") -> bool:
    """Send a request, and see by the gateway's word whether its content was stored."""
    assert secret is not None
    response = world.chat(secret, text)
    assert response.status_code == 200, response.text
    return response.headers["X-Anuma-Content-Stored"] == "true"


def pill(page: Browser) -> str:
    """The state beside the control's name."""
    return page.one("#prompt-logging-state").text


def control(page: Browser) -> str:
    """Every word of the control."""
    return page.one("#prompt-logging").text


def switch_of(page: Browser) -> tuple[str, bool]:
    """Where the switch stands, and whether it is busy."""
    found = page.one("#prompt-logging [role=switch]").element
    return found.get("aria-checked", ""), found.get("aria-busy") == "true"


def truth(world: World, account_id: object = None) -> schemas.Controls:
    """What the gateway obeys, asked past every fault."""
    account = account_id or world.northwind
    return world.server.client.data_state(world.olive.actor, account).controls  # type: ignore[arg-type]
