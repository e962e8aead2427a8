"""Erasing conversations: messages and search hashes first, batch by batch, then the conversation itself."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection, and_, delete, exists, or_, select, tuple_

from ..content_tables import conversations, messages, search_terms

_TERMS_OF_A_MESSAGE = 20
"""Search hashes are small: so many of them are erased in the place of one message."""


def erase_conversations(connection: Connection, ids: Collection[UUID], batch: int) -> int:
    """Erase some of what these conversations consist of; call it again until none is left.

    Their rows go last and take their place out of no sums: whoever calls this does that.

    Args:
        batch: how many messages are erased at most.

    Returns:
        How many conversations are gone now.
    """
    term, said = search_terms.c, messages.c
    key = (term.term, term.conversation_id, term.message_id)
    some = select(*key).where(term.conversation_id.in_(ids)).limit(batch * _TERMS_OF_A_MESSAGE)
    if connection.execute(delete(search_terms).where(tuple_(*key).in_(some))).rowcount >= batch * _TERMS_OF_A_MESSAGE:
        return 0
    oldest = select(said.id).where(said.conversation_id.in_(ids)).limit(batch)
    connection.execute(delete(messages).where(said.id.in_(oldest)))
    left = or_(
        exists().where(and_(said.conversation_id == conversations.c.id)),
        exists().where(and_(term.conversation_id == conversations.c.id)),
    )
    return connection.execute(delete(conversations).where(conversations.c.id.in_(ids), ~left)).rowcount
