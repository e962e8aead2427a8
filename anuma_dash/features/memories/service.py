"""A person's own memories: found, added, changed, exported, deleted. The text is in no table and no record here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from anuma_dash.audit import Event, is_recorded, record
from anuma_dash.db import owned
from anuma_dash.domain.accounts import telling_of
from anuma_dash.domain.deletions import Deletion, request_deletion
from anuma_dash.errors import Conflict, GatewayError, GatewayRefused, GatewayUnavailable, NotFound
from anuma_dash.gateway import schemas
from anuma_dash.gateway.together import together
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

Switch = Literal["on", "off", "forbidden", "unknown"]
Answer = TypeVar("Answer")
MISSING = "There is no such memory."
OFF = "Memories are off, so the gateway keeps and changes none. Nothing was stored."
EXPORT_PAGE = 100


@dataclass(frozen=True)
class Around:
    """What a page of memories needs beside them: whether they are on for this person, and the account's apps."""

    switch: Switch
    apps: tuple[schemas.App, ...] = ()

    def app_name(self, app_id: UUID) -> str:
        """What an app is called; it may be gone."""
        return next((app.name for app in self.apps if app.id == app_id), "an app that is not listed")


def read_around(context: Context, actor: Actor, account_id: UUID) -> Around:
    """Whether memories are on, as the gateway obeys it, and the apps. Unknown if it does not say."""
    try:
        found = context.gateway.data_state(actor, account_id)
    except GatewayError:
        return Around("unknown")
    return Around(_switch(found.controls, actor.user_id), tuple(found.apps))


def _switch(controls: schemas.Controls, person: UUID | None) -> Switch:
    if "memories" not in controls.controls or person is None:
        return "unknown"
    if controls.controls["memories"].people == "forbidden":
        return "forbidden"
    own = controls.people.get(person, {}).get("memories")
    return "on" if own is not None and own.enabled else "off"


def list_memories(
    context: Context, actor: Actor, account_id: UUID, *, q: str, after: UUID | None, limit: int
) -> tuple[schemas.Page[schemas.Memory], Around]:
    """A page of the actor's memories, newest first, and what belongs around it. Raises `GatewayError`."""
    actor.require(Permission.OWN_MEMORIES)

    def found() -> schemas.Page[schemas.Memory]:
        return context.gateway.memories(actor, account_id, owner="me", q=q or None, after=after, limit=limit)

    return together(context.gateway.budget_seconds, found, lambda: read_around(context, actor, account_id))


def find_memory(context: Context, actor: Actor, account_id: UUID, memory_id: UUID) -> schemas.Memory:
    """One memory of the actor's. Raises `NotFound`, `GatewayError`."""
    actor.require(Permission.OWN_MEMORIES)
    return _existing(lambda: context.gateway.memory(actor, account_id, memory_id))


def find_memory_and_around(
    context: Context, actor: Actor, account_id: UUID, memory_id: UUID
) -> tuple[schemas.Memory, Around]:
    """One memory of the actor's, and what belongs around it. Raises `NotFound`, `GatewayError`."""
    return together(
        context.gateway.budget_seconds,
        lambda: find_memory(context, actor, account_id, memory_id),
        lambda: read_around(context, actor, account_id),
    )


def add_memory(
    context: Context, actor: Actor, account_id: UUID, token: UUID, wish: schemas.NewMemory
) -> schemas.Memory:
    """Keep a memory. The same `token` keeps one. Raises `Conflict` while memories are off, `GatewayError`."""
    actor.require(Permission.OWN_MEMORIES)
    gateway = context.gateway
    made = _allowed(
        lambda: telling_of(context, account_id, lambda: gateway.create_memory(actor, account_id, wish, str(token)))
    )
    with context.db.transaction(durable=True) as tx:
        if not is_recorded(tx, Event.MEMORY_ADDED, account_id, "memory", made.id):
            record(tx, actor, Event.MEMORY_ADDED, at=context.clock(), account_id=account_id, memory_id=made.id)
    return made


def change_memory(
    context: Context, actor: Actor, account_id: UUID, memory_id: UUID, change: schemas.MemoryChange
) -> schemas.Memory:
    """Change a memory to what is given. Raises `NotFound`, `Conflict` while memories are off, `GatewayError`."""
    actor.require(Permission.OWN_MEMORIES)
    gateway = context.gateway
    changed = _existing(lambda: _allowed(lambda: gateway.change_memory(actor, account_id, memory_id, change)))
    if (changed.id, changed.text) != (memory_id, change.text):
        raise GatewayUnavailable("The gateway has not said that the memory was changed.")
    with context.db.transaction(durable=True) as tx:
        record(tx, actor, Event.MEMORY_CHANGED, at=context.clock(), account_id=account_id, memory_id=memory_id)
    return changed


def _existing(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound(MISSING) from None
        raise


def _allowed(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except GatewayRefused as error:
        if error.code == "memories_off":
            raise Conflict(OFF) from None
        raise


def count_memories(context: Context, actor: Actor, account_id: UUID) -> int:
    """How many memories the actor has, counted by the gateway right now. Raises `GatewayError`."""
    actor.require(Permission.OWN_MEMORIES)
    rows = context.gateway.inventory(actor, account_id).rows
    found = next((row for row in rows if (row.category, row.owner) == ("memories", "me")), None)
    if found is None:
        raise GatewayUnavailable("The gateway has not counted your memories.")
    return found.count


def delete_memory(context: Context, actor: Actor, account_id: UUID, memory_id: UUID, token: UUID) -> Deletion:
    """Ask for one memory to be deleted; the gateway deletes it only if it is the actor's."""
    actor.require(Permission.OWN_MEMORIES)
    scope = schemas.DeletionScope(category="memories", memory_ids=[memory_id])
    return request_deletion(context, actor, account_id, scope, count=1, token=token)


def delete_all_memories(context: Context, actor: Actor, account_id: UUID, token: UUID, count: int | None) -> Deletion:
    """Ask for all of the actor's memories to be deleted. `count` is the number that they were shown, if known."""
    actor.require(Permission.OWN_MEMORIES)
    scope = schemas.DeletionScope(category="memories")
    return request_deletion(context, actor, account_id, scope, count=count, token=token)


def deletions_under_way(context: Context, actor: Actor, account_id: UUID) -> list[Deletion]:
    """The actor's deletions of memories that are not verified, latest first; one that failed is said until the next."""
    mine = owned(Deletion, account_id).where(Deletion.category == "memories", Deletion.requested_by == actor.user_id)
    with context.db.reading() as tx:
        latest = tx.scalars(mine.order_by(Deletion.id.desc()).limit(20)).all()
    return [row for at, row in enumerate(latest) if row.state != "verified" and (row.state != "failed" or at == 0)]


def export_memories(context: Context, actor: Actor, account_id: UUID) -> Iterator[bytes]:
    """All of the actor's memories as one JSON object, page by page; `complete` stands at its end.

    That it was exported is recorded before anything is handed over. Raises `GatewayError`; when that happens behind
    the first page, the file breaks off and is no JSON.
    """
    actor.require(Permission.OWN_MEMORIES)
    first = context.gateway.memories(actor, account_id, owner="me", limit=EXPORT_PAGE)
    with context.db.transaction(durable=True) as tx:
        record(tx, actor, Event.MEMORIES_EXPORTED, at=context.clock(), account_id=account_id)
    return _exported(context, actor, account_id, first)


def _exported(context: Context, actor: Actor, account_id: UUID, found: schemas.Page[schemas.Memory]) -> Iterator[bytes]:
    yield f'{{"exported_at": {json.dumps(context.clock().isoformat())}, "memories": ['.encode()
    count = 0
    while True:
        for memory in found.data:
            yield (",\n" if count else "\n").encode() + memory.model_dump_json().encode()
            count += 1
        if found.next is None:
            break
        found = context.gateway.memories(actor, account_id, owner="me", after=found.next, limit=EXPORT_PAGE)
    yield f'\n], "count": {count}, "complete": true}}\n'.encode()
