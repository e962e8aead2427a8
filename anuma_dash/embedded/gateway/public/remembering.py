"""Putting an owner's memories in front of a request, where the control, the app and the provider allow it.

They are not part of what the client sent: the log and the history keep that as it came.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from anuma_dash.gateway.schemas import Message

from .. import memories as work
from ..core import Gateway
from ..encryption import Unreadable
from ..policy import Subject, decide, read_policy
from .endpoints import Order

ENDPOINTS: Final = ("chat/completions", "responses")
MOST: Final = 50
MOST_CHARACTERS: Final = 8000
_HEADING: Final = "What the person asked to have remembered:"


@dataclass(frozen=True)
class Told:
    """The memories that go along with a request.

    `first` are those that this provider has not received before.
    """

    ids: tuple[UUID, ...]
    first: tuple[UUID, ...]
    text: str


def find_memories(gateway: Gateway, account: UUID, subject: Subject, provider: str) -> Told | None:
    """The newest memories that may go to this provider, by the policy as it is now; `None` if there are none."""
    owner = work.Owner(account, subject.person)
    lines, left = [_HEADING], MOST_CHARACTERS
    ids: list[UUID] = []
    first: list[UUID] = []
    with gateway.stores.main.read() as connection:
        policy = read_policy(connection, account)
        if not decide(policy, work.CATEGORY, subject).stored:
            return None
        kept = work.unexpired(owner, policy.state, gateway.now())
        try:
            for row, text in work.read(connection, gateway.vault, account, kept):
                if not work.may_be_told(row, subject.app_id, provider):
                    continue
                left -= len(text)
                if left < 0 or len(ids) == MOST:
                    break
                lines.append("- " + text.replace("\n", "\n  "))
                ids.append(row.id)
                if not work.has_received(row, provider):
                    first.append(row.id)
        except Unreadable as error:
            gateway.log.error("memory_unreadable", error)
            return None
    return Told(tuple(ids), tuple(first), "\n".join(lines)) if ids else None


def with_memories(order: Order, told: Told) -> Order:
    """The request as it goes to the provider: one system message more, or longer instructions."""
    if order.endpoint.name == "chat/completions":
        system = {"role": "system", "content": told.text}
        body = order.body | {"messages": [system, *order.body["messages"]]}
    else:
        given = order.body.get("instructions")
        body = order.body | {"instructions": f"{told.text}\n\n{given}" if given else told.text}
    return replace(order, body=body, prompt=(Message(role="system", text=told.text), *order.prompt))
