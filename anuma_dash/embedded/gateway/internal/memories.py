"""Memories: a person's own, and the account's, which programs write. Deleting them goes by deletions."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, status
from sqlalchemy import Connection, Row, select

from anuma_dash.gateway.schemas import ConversationOwner, Memory, MemoryChange, NewMemory, Page

from .. import memories as work
from .. import problems
from ..content_tables import memories
from ..encryption import Unreadable
from ..identifiers import uuid7
from ..keeping import NotKept, new_key
from ..policy import State, read_policy
from ..problems import Refused
from . import idempotency
from .callers import Caller, ContentReader, Writer
from .listing import After, Limit

router = APIRouter(tags=["memories"])
Whose = Annotated[ConversationOwner, Query(alias="owner", description="The caller's own, or the account's")]
Words = Annotated[str, Query(alias="q", max_length=200, description="Each of these words must be in the text")]


@router.get("/accounts/{acc}/memories")
def list_memories(
    caller: ContentReader, whose: Whose = "me", words: Words = "", after: After = None, limit: Limit = 50
) -> Page[Memory]:
    """The memories that are not past their period, newest first. They can be read while the control is off."""
    gateway, owner = caller.gateway, _owner(caller, whose)
    wanted = words.casefold().split()
    with gateway.stores.main.read() as connection:
        state = read_policy(connection, caller.account).state
        kept = work.unexpired(owner, state, gateway.now())
        try:
            every = work.read(connection, gateway.vault, caller.account, kept, after)
            found = list(islice((pair for pair in every if work.has_words(pair[1], wanted)), limit + 1))
        except Unreadable:
            raise problems.unreadable() from None
    shown = [work.show(row, text, owner, state) for row, text in found[:limit]]
    return Page(data=shown, next=str(shown[-1].id) if len(found) > limit else None)


@router.get("/accounts/{acc}/memories/{memory_id}")
def get_memory(caller: ContentReader, memory_id: UUID) -> Memory:
    """One memory."""
    with caller.gateway.stores.main.read() as connection:
        state = read_policy(connection, caller.account).state
        row, owner, key = _find(connection, caller, memory_id, state)
        return work.show(row, _text(row, key), owner, state)


@router.post("/accounts/{acc}/memories", status_code=status.HTTP_201_CREATED)
def create_memory(caller: Writer, body: NewMemory, idempotency_key: idempotency.Key) -> Memory:
    """Keep a memory of the caller's. Refused with the code `memories_off` while it is off for that person."""
    gateway, account, now = caller.gateway, caller.account, caller.gateway.now()
    owner = _owner(caller, "me")
    if owner.person is None:
        raise Refused(403, "programs_only", "Only programs write the account's memories.")
    repeatable = idempotency.Repeatable(caller, idempotency_key, f"create_memory {owner.person}", idempotency.Unsaid())
    memory_id = uuid7(now)
    with (
        new_key(gateway.vault, work.CATEGORY, account, memory_id, now) as key,
        gateway.stores.main.write(durable=True) as connection,
    ):
        idempotency.lock_account(connection, account)
        policy = read_policy(connection, account, steady=True)
        earlier = repeatable.earlier(connection)
        if earlier is not None:
            return _again(connection, caller, idempotency.Named.model_validate_json(earlier).id, policy.state, body)
        try:
            work.check_allowed(policy, owner.on_a_page())
            row = work.add(connection, key, owner, memory_id, body, now)
        except NotKept as refused:
            raise Refused(refused.status, refused.code, refused.message) from None
        repeatable.remember(connection, idempotency.Named(id=memory_id))
    return work.show(row, body.text, owner, policy.state)


@router.patch("/accounts/{acc}/memories/{memory_id}")
def change_memory(caller: Writer, memory_id: UUID, body: MemoryChange) -> Memory:
    """Write a memory anew. Of the account's, a person may change who uses and receives it, not what it says."""
    gateway, account, now = caller.gateway, caller.account, caller.gateway.now()
    with gateway.stores.main.write(durable=True) as connection:
        idempotency.lock_account(connection, account)
        policy = read_policy(connection, account, steady=True)
        row, owner, key = _find(connection, caller, memory_id, policy.state, locked=True)
        try:
            work.check_allowed(policy, owner.on_a_page())
        except NotKept as refused:
            raise Refused(refused.status, refused.code, refused.message) from None
        if owner.person is None and _text(row, key) != body.text:
            raise Refused(403, "programs_only", "Only programs write the text of the account's memories.")
        work.change(connection, key, owner, row, body, now)
        row = connection.execute(select(memories).where(memories.c.id == memory_id)).one()
    return work.show(row, body.text, owner, policy.state)


def _owner(caller: Caller, whose: ConversationOwner) -> work.Owner:
    """The service itself has no memories of its own: its "me" is the account."""
    return work.Owner(caller.account, caller.token.person if whose == "me" else None)


def _find(
    connection: Connection, caller: Caller, memory_id: UUID, state: State, *, locked: bool = False
) -> tuple[Row[Any], work.Owner, bytes]:
    """A memory of the caller's or of the account's, that is not past its period, and its data key."""
    for owner in {_owner(caller, "me"), _owner(caller, "account")}:
        kept = work.unexpired(owner, state, caller.gateway.now())
        query = select(memories).where(memories.c.id == memory_id, kept)
        row = connection.execute(query.with_for_update() if locked else query).one_or_none()
        if row is None:
            continue
        try:
            key = caller.gateway.vault.data_key(caller.account, memory_id)
        except Unreadable:
            raise problems.unreadable() from None
        if key is not None:
            return row, owner, key
    raise problems.not_found()


def _text(row: Row[Any], key: bytes) -> str:
    try:
        return work.text_of(row, key)
    except Unreadable:
        raise problems.unreadable() from None


def _again(connection: Connection, caller: Caller, memory_id: UUID, state: State, body: NewMemory) -> Memory:
    row, owner, key = _find(connection, caller, memory_id, state)
    found = work.show(row, _text(row, key), owner, state)
    same = (found.text, found.app_ids, found.providers) == (body.text, body.app_ids, body.providers)
    if row.updated_at == row.created_at and not same:
        raise idempotency.reused()
    return found
