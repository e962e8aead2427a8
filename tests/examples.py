"""What Northwind Labs owns, one of each kind, and the arguments of every route that has some in its path.

Everything is Dev's own, so that each role that may do a thing at all may do it to these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from anuma_dash.db import new_id
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.deletions import request_deletion
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.features.data_controls.service import test_control as run_control_test
from anuma_dash.gateway.schemas import DeletionScope, NewKey
from anuma_dash.identity import Role
from tests.world import World

CANARIES = ("canary-key", "canary-prompt", "Northwind", "Olive", "Dev Kapoor", "northwind.example")
"""Words that only members of Northwind Labs may ever read."""


@dataclass(frozen=True)
class Belongings:
    """Identifiers of what Northwind Labs owns."""

    account_id: UUID
    key_id: UUID
    request_id: UUID
    deletion_id: UUID
    test_id: UUID

    @property
    def identifiers(self) -> list[UUID]:
        """All of them."""
        return list(vars(self).values())


EXAMPLES: dict[str, Callable[[Belongings], dict[str, Any]]] = {
    "data_controls.edit": lambda _: {"slug": "prompt-logging"},
    "data_controls.keeping": lambda _: {"slug": "prompt-logging"},
    "data_controls.repetition": lambda _: {"slug": "prompt-logging"},
    "data_controls.show": lambda _: {"slug": "prompt-logging"},
    "data_controls.show_test": lambda own: {"test_id": own.test_id},
    "data_controls.update": lambda _: {"slug": "prompt-logging"},
    "deletions.show": lambda own: {"deletion_id": own.deletion_id},
    "keys.create_revocation": lambda own: {"key_id": own.key_id},
    "keys.new_revocation": lambda own: {"key_id": own.key_id},
    "keys.show": lambda own: {"key_id": own.key_id},
    "requests.content": lambda own: {"request_id": own.request_id},
    "requests.show": lambda own: {"request_id": own.request_id},
    "sign_in.callback": lambda _: {"slug": "sandbox"},
    "sign_in.create": lambda _: {"slug": "sandbox"},
    "sign_in.show": lambda _: {"slug": "sandbox"},
}
"""A route with arguments in its path needs a line here."""


def make_belongings(world: World) -> Belongings:
    """Dev makes a key, has prompts logged, sends some, asks for a deletion, and tests the control."""
    dev = replace(world.dev.actor, role=Role.OWNER)
    context, account_id = world.services.context, world.northwind
    new_key = NewKey(name="canary-key", created_by=world.dev.id)
    key = world.gateway.create_key(dev, account_id, new_key, str(new_id()))
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    request_control(context, dev, account_id, logging, enabled=True, accepted_sha256=accepted)
    assert world.chat(key.secret or "", "canary-prompt").status_code == 200
    (request,) = world.gateway.requests(dev, account_id).data
    scope = DeletionScope(category="request_content", request_ids=[new_id()])
    deletion = request_deletion(context, dev, account_id, scope, count=1, token=new_id())
    test = run_control_test(context, dev, account_id, logging, key_id=key.id, token=new_id())
    return Belongings(account_id, key.id, request.id, deletion.id, test.id)
