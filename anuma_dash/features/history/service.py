"""A person's own conversations: found, read, renamed, pinned, deleted. No title and no text is in any table here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.deletions import FINAL_STATES, UNDO_WAIT, Deletion, request_deletion
from anuma_dash.errors import GatewayError, GatewayRefused, GatewayUnavailable, NotFound
from anuma_dash.features.history.filters import Filters
from anuma_dash.gateway import schemas
from anuma_dash.gateway.together import together
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

Switch = Literal["on", "off", "forbidden", "unknown"]
Answer = TypeVar("Answer")
MISSING = "There is no such conversation."
MOST_AT_ONCE = 200
"""So many conversations are named one by one in a deletion."""


@dataclass(frozen=True)
class Around:
    """What the list needs beside it: whether chat history is on for this person, and the account's apps."""

    switch: Switch
    apps: tuple[schemas.App, ...] = ()


@dataclass(frozen=True)
class Found:
    """A conversation of the list; where words were looked for, the place where they stand."""

    conversation: schemas.Conversation
    snippet: Sequence[schemas.SnippetPart] = ()
    message_id: UUID | None = None


def _around(context: Context, actor: Actor, account_id: UUID) -> Around:
    try:
        state = context.gateway.data_state(actor, account_id)
    except GatewayError:
        return Around("unknown")
    return Around(_switch(state.controls, actor.user_id), tuple(state.apps))


def _switch(controls: schemas.Controls, person: UUID | None) -> Switch:
    if "chat_history" not in controls.controls or person is None:
        return "unknown"
    if controls.controls["chat_history"].people == "forbidden":
        return "forbidden"
    own = controls.people.get(person, {}).get("chat_history")
    return "on" if own is not None and own.enabled else "off"


def list_conversations(
    context: Context, actor: Actor, account_id: UUID, filters: Filters, *, after: str | None, limit: int
) -> tuple[list[Found], str | None, Around]:
    """A page of the actor's conversations, the next cursor, and what belongs around it. Raises `GatewayError`."""
    (found, following), around = together(
        context.gateway.budget_seconds,
        lambda: _page(context, actor, account_id, filters, after, limit),
        lambda: _around(context, actor, account_id),
    )
    return found, following, around


def _page(
    context: Context, actor: Actor, account_id: UUID, filters: Filters, after: str | None, limit: int
) -> tuple[list[Found], str | None]:
    actor.require(Permission.OWN_HISTORY)
    if filters.q:
        hits = context.gateway.search_conversations(
            actor, account_id, owner="me", q=filters.q, after=after, limit=limit
        )
        return [Found(hit.conversation, hit.snippet, hit.message_id) for hit in hits.data], hits.next
    rows = context.gateway.conversations(actor, account_id, owner="me", **filters.query(), after=after, limit=limit)
    return [Found(row) for row in rows.data], rows.next


def find_conversation(context: Context, actor: Actor, account_id: UUID, conversation_id: UUID) -> schemas.Conversation:
    """One conversation of the actor's. Raises `NotFound`, `GatewayError`."""
    actor.require(Permission.OWN_HISTORY)
    return _existing(lambda: context.gateway.conversation(actor, account_id, conversation_id, owner="me"))


def read_conversation(
    context: Context, actor: Actor, account_id: UUID, conversation_id: UUID, *, leaf: UUID | None, after: UUID | None
) -> tuple[schemas.Conversation, schemas.Page[schemas.ConversationMessage]]:
    """One conversation and a page of its messages, on the branch of `leaf`. Raises `NotFound`, `GatewayError`."""
    gateway = context.gateway

    def messages() -> schemas.Page[schemas.ConversationMessage]:
        return gateway.conversation_messages(actor, account_id, conversation_id, owner="me", leaf=leaf, after=after)

    return together(
        gateway.budget_seconds,
        lambda: find_conversation(context, actor, account_id, conversation_id),
        lambda: _existing(messages),
    )


def change_conversation(
    context: Context, actor: Actor, account_id: UUID, conversation_id: UUID, change: schemas.ConversationChange
) -> schemas.Conversation:
    """Rename a conversation, pin it or let it go, as the gateway then says it is. Raises `NotFound`, `GatewayError`."""
    actor.require(Permission.OWN_HISTORY)
    changed = _existing(lambda: context.gateway.change_conversation(actor, account_id, conversation_id, change))
    if changed.id != conversation_id or change.pinned not in (None, changed.pinned):
        raise GatewayUnavailable("The gateway has not said that the conversation was changed.")
    event = Event.CONVERSATION_RENAMED
    if change.pinned is not None:
        event = Event.CONVERSATION_PINNED if change.pinned else Event.CONVERSATION_UNPINNED
    with context.db.transaction(durable=True) as tx:
        record(tx, actor, event, at=context.clock(), account_id=account_id, conversation_id=conversation_id)
    return changed


def _existing(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound(MISSING) from None
        raise


@dataclass(frozen=True)
class Plan:
    """A deletion before it is asked for: its scope, and how many conversations it would delete right now.

    `more`: there are more than one deletion takes by name. `held` are those that a legal duty keeps.
    """

    scope: schemas.DeletionScope
    total: int
    held: int = 0
    more: bool = False


def plan_deletion(
    context: Context, actor: Actor, account_id: UUID, *, ids: Sequence[UUID], filters: Filters | None
) -> Plan:
    """What deleting these conversations, or all that the filters let through, would delete. Raises `GatewayError`.

    What no scope can say (words, a first day) becomes a list of conversations here: a search is never written down.
    """
    actor.require(Permission.OWN_HISTORY)
    named = schemas.DeletionScope(category="conversations", person=actor.user_id, conversation_ids=list(ids))
    scope: schemas.DeletionScope | None = named
    if filters is not None:
        scope = filters.scope(actor.user_id)
    if scope is None:
        assert filters is not None
        found, following = _page(context, actor, account_id, filters, None, MOST_AT_ONCE)
        matching = [one.conversation.id for one in found]
        return Plan(named.model_copy(update={"conversation_ids": matching}), len(matching), more=following is not None)
    preview = context.gateway.preview_deletion(actor, account_id, scope)
    return Plan(scope, preview.total, preview.held)


def delete_conversations(
    context: Context, actor: Actor, account_id: UUID, scope: schemas.DeletionScope, count: int | None, token: UUID
) -> Deletion:
    """Ask for conversations to be deleted; the deletion waits, so that it can be undone."""
    actor.require(Permission.OWN_HISTORY)
    return request_deletion(context, actor, account_id, scope, count=count, token=token, wait=UNDO_WAIT)


def deletions_under_way(context: Context, actor: Actor, account_id: UUID) -> list[Deletion]:
    """The actor's deletions of conversations that wait or are not verified, latest first."""
    mine = owned(Deletion, account_id).where(
        Deletion.category == "conversations",
        Deletion.requested_by == actor.user_id,
        Deletion.state.not_in(FINAL_STATES),
    )
    with context.db.reading() as tx:
        return list(tx.scalars(mine.order_by(Deletion.id.desc()).limit(20)))
