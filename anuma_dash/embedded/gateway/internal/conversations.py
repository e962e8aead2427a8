"""Chat history: listed, searched, read, renamed and pinned by its owner, exported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import ColumnElement, Connection, Row, select, update

from anuma_dash.gateway.schemas import (
    Conversation,
    ConversationChange,
    ConversationMessage,
    Page,
    SearchHit,
    Time,
)

from .. import problems
from ..content_tables import conversations, messages, search_terms
from ..encryption import seal
from ..history.branches import Tree
from ..history.keys import find_search_key
from ..history.searching import search
from ..history.words import stems_of_text
from .callers import Caller, ContentReader, Writer
from .conversation_rows import Owner, Shelf, cursor_of, newest_first, show_message
from .listing import Limit

router = APIRouter(tags=["conversations"])
Cursor = Annotated[str | None, Query(max_length=200, description="The `next` of the page before")]
_PAGE_BYTES = 1_000_000
"""So much of a long conversation a page shows at most, but always a message."""


@router.get("/accounts/{acc}/conversations")
def list_conversations(
    caller: ContentReader,
    owner: Owner = "me",
    app: UUID | None = None,
    model: Annotated[str | None, Query(max_length=200)] = None,
    pinned: bool | None = None,
    from_: Annotated[Time | None, Query(alias="from")] = None,
    until: Time | None = None,
    after: Cursor = None,
    limit: Limit = 50,
) -> Page[Conversation]:
    """An owner's conversations: the pinned ones first, then by their last message, newest first."""
    wanted = _equal(app_id=app, model=model, pinned=pinned)
    if from_ is not None:
        wanted.append(conversations.c.updated_at >= from_)
    if until is not None:
        wanted.append(conversations.c.updated_at < until)
    with caller.gateway.stores.main.read() as connection:
        shelf = Shelf(caller, owner, connection)
        query = shelf.select(*wanted)
        rows = list(connection.execute(newest_first(query, after, limit)))
        shown = shelf.show_all(rows[:limit])
    return Page(data=shown, next=cursor_of(rows[limit - 1]) if len(rows) > limit else None)


@router.get("/accounts/{acc}/conversations/search")
def search_conversations(
    caller: ContentReader,
    q: Annotated[str, Query(min_length=1, max_length=500, description="Words, and phrases in quotation marks")],
    owner: Owner = "me",
    after: Cursor = None,
    limit: Limit = 50,
) -> Page[SearchHit]:
    """The conversations in which every word is found, in their titles or messages, in the order of the list."""
    with caller.gateway.stores.main.read() as connection:
        shelf = Shelf(caller, owner, connection)
        hits, following = search(shelf, q, after, limit)
    return Page(data=hits, next=following)


@router.get("/accounts/{acc}/conversations/{conversation_id:uuid}")
def get_conversation(caller: ContentReader, conversation_id: UUID, owner: Owner = "me") -> Conversation:
    """One conversation."""
    with caller.gateway.stores.main.read() as connection:
        shelf = Shelf(caller, owner, connection)
        return shelf.show(*_find(shelf, conversation_id))


@router.get("/accounts/{acc}/conversations/{conversation_id:uuid}/messages")
def list_messages(
    caller: ContentReader,
    conversation_id: UUID,
    owner: Owner = "me",
    leaf: Annotated[UUID | None, Query(description="A message on the branch; else the newest branch")] = None,
    after: Annotated[UUID | None, Query(description="The `next` of the page before")] = None,
    limit: Limit = 50,
) -> Page[ConversationMessage]:
    """The messages of one branch, from the beginning."""
    with caller.gateway.stores.main.read() as connection:
        shelf = Shelf(caller, owner, connection)
        _, key = _find(shelf, conversation_id)
        tree = Tree.read(connection, conversation_id)
        path = tree.path(leaf)
        if after is not None:
            path = path[path.index(after) + 1 :] if after in path else []
        wanted = _fitting(path[:limit], tree.sizes)
        rows = _messages(connection, wanted)
        shown = [show_message(rows[place], key, tree.branches(place)) for place in wanted if place in rows]
    return Page(data=shown, next=str(wanted[-1]) if len(wanted) < len(path) else None)


@router.patch("/accounts/{acc}/conversations/{conversation_id:uuid}")
def change_conversation(
    caller: Writer, conversation_id: UUID, body: ConversationChange, owner: Owner = "me"
) -> Conversation:
    """Rename a conversation, pin it or let it go. Its period goes on as it was."""
    with caller.gateway.stores.main.write(durable=True) as connection:
        shelf = Shelf(caller, owner, connection)
        row, key = _find(shelf, conversation_id)
        if body.pinned is not None:
            _set(connection, conversation_id, pinned=body.pinned)
        if body.title is not None:
            title = " ".join(body.title.split()) or body.title
            place = {"table": conversations.name, "row": conversation_id, "account": caller.account}
            sealed = seal(key, title.encode(), **place)  # type: ignore[arg-type]
            _set(connection, conversation_id, nonce=sealed.nonce, ciphertext=sealed.ciphertext)
            _index_title(caller, connection, row, title)
        return shelf.show(*_find(shelf, conversation_id))


def _equal(**values: object) -> list[ColumnElement[bool]]:
    return [conversations.c[name] == value for name, value in values.items() if value is not None]


def _set(connection: Connection, conversation_id: UUID, **values: Any) -> None:
    connection.execute(update(conversations).where(conversations.c.id == conversation_id).values(values))


def _index_title(caller: Caller, connection: Connection, row: Row[Any], title: str) -> None:
    column = search_terms.c
    mine = (column.conversation_id == row.id, column.message_id == row.id)
    connection.execute(search_terms.delete().where(*mine))
    key = find_search_key(caller.gateway.vault, caller.account, row.owner)
    terms = {key.term(stem) for stem in stems_of_text(title)} if key else set()
    if terms:
        rows = [{"term": term, "conversation_id": row.id, "message_id": row.id} for term in terms]
        connection.execute(search_terms.insert(), rows)


def _find(shelf: Shelf, conversation_id: UUID) -> tuple[Row[Any], bytes]:
    found = shelf.find(conversation_id)
    if found is None:
        raise problems.not_found()
    return found


def _messages(connection: Connection, wanted: list[UUID]) -> dict[UUID, Row[Any]]:
    rows = connection.execute(select(messages).where(messages.c.id.in_(wanted)))
    return {row.id: row for row in rows}


def _fitting(path: list[UUID], sizes: dict[UUID, int]) -> list[UUID]:
    """As many from the beginning as fit a page, and one at least."""

    def fits() -> Iterator[UUID]:
        total = 0
        for number, place in enumerate(path):
            total += sizes[place]
            if number and total > _PAGE_BYTES:
                return
            yield place

    return list(fits())
