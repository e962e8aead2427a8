"""The export of conversations: line by line, never more than one message in memory, closed by a manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection, select

from anuma_dash.gateway.schemas import ExportLine, ExportManifest

from ..content_tables import conversations, messages
from .callers import Caller, ContentReader
from .conversation_rows import Owner, Shelf, cursor_of, newest_first, show_message

router = APIRouter(tags=["conversations"])
Ids = Annotated[list[UUID] | None, Query(alias="id", max_length=1000, description="These alone; without it all")]
_BATCH = 50
_NDJSON = {"application/x-ndjson": {"schema": {"type": "string"}}}


@router.get(
    "/accounts/{acc}/conversations/export",
    response_class=StreamingResponse,
    responses={200: {"content": _NDJSON, "description": "One ExportLine a line; the last one is the manifest"}},
)
def export_conversations(caller: ContentReader, owner: Owner = "me", ids: Ids = None) -> StreamingResponse:
    """Conversations with the messages of all their branches, in the order of the list.

    What is deleted or past its period meanwhile is left out. Without its last line an export is cut short.
    """
    return StreamingResponse(_lines(caller, owner, ids), media_type="application/x-ndjson")


def _lines(caller: Caller, owner: Owner, ids: list[UUID] | None) -> Iterator[bytes]:
    digest, counts = hashlib.sha256(), {"conversations": 0, "messages": 0}
    for line in _content(caller, owner, ids):
        counts["conversations"] += line.conversation is not None
        counts["messages"] += line.message is not None
        raw = _encode(line)
        digest.update(raw)
        yield raw
    yield _encode(ExportLine(manifest=ExportManifest(**counts, sha256=digest.hexdigest())))


def _encode(line: ExportLine) -> bytes:
    return line.model_dump_json(exclude_unset=True).encode() + b"\n"


def _content(caller: Caller, owner: Owner, ids: list[UUID] | None) -> Iterator[ExportLine]:
    wanted = () if ids is None else (conversations.c.id.in_(ids),)
    after: str | None = None
    while True:
        with caller.gateway.stores.main.read() as connection:
            shelf = Shelf(caller, owner, connection)
            rows = list(connection.execute(newest_first(shelf.select(*wanted), after, _BATCH)))
        for row in rows[:_BATCH]:
            yield from _one(caller, owner, row.id)
        if len(rows) <= _BATCH:
            return
        after = cursor_of(rows[_BATCH - 1])


def _one(caller: Caller, owner: Owner, conversation_id: UUID) -> Iterator[ExportLine]:
    """One conversation, asked for anew: it may be gone by the time its turn comes."""
    last: UUID | None = None
    while True:
        with caller.gateway.stores.main.read() as connection:
            shelf = Shelf(caller, owner, connection)
            found = shelf.find(conversation_id)
            if found is None:
                return
            if last is None:
                yield ExportLine(conversation=shelf.show(*found))
            last, lines = _some_messages(connection, conversation_id, found[1], last)
        yield from lines
        if last is None:
            return


def _some_messages(
    connection: Connection, conversation_id: UUID, key: bytes, after: UUID | None
) -> tuple[UUID | None, list[ExportLine]]:
    """The next message, as each may be as long as a request; the identifier to go on from, `None` at the end."""
    query = select(messages).where(messages.c.conversation_id == conversation_id).order_by(messages.c.id).limit(1)
    row = connection.execute(query if after is None else query.where(messages.c.id > after)).one_or_none()
    return (None, []) if row is None else (row.id, [ExportLine(message=show_message(row, key, []))])
