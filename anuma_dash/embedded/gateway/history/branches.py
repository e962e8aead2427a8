"""The branches of a conversation, from its messages' places alone: nothing is decrypted for it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select

from ..content_tables import messages


@dataclass(frozen=True)
class Tree:
    """What follows what. Identifiers are in the order in which the messages came."""

    parents: dict[UUID, UUID | None]
    children: dict[UUID | None, list[UUID]]
    sizes: dict[UUID, int]

    @classmethod
    def read(cls, connection: Connection, conversation_id: UUID) -> Tree:
        """The tree of a conversation as it is now."""
        column = messages.c
        query = select(column.id, column.parent_id, column.bytes).where(column.conversation_id == conversation_id)
        rows = connection.execute(query.order_by(column.id)).all()
        children: dict[UUID | None, list[UUID]] = defaultdict(list)
        for row in rows:
            children[row.parent_id].append(row.id)
        return cls({row.id: row.parent_id for row in rows}, dict(children), {row.id: row.bytes for row in rows})

    def path(self, through: UUID | None) -> list[UUID]:
        """The branch through a message, on to its newest end; the newest branch if there is no such message."""
        at = through if through in self.parents else max(self.parents, default=None)
        if at is None:
            return []
        back = [at]
        while (parent := self.parents[back[-1]]) is not None and parent in self.parents:
            back.append(parent)
        path = back[::-1]
        while following := self.children.get(path[-1]):
            path.append(following[-1])
        return path

    def branches(self, place: UUID) -> list[UUID]:
        """The messages that follow the same one as this, itself among them; empty if it is the only one."""
        same = self.children[self.parents[place]]
        return same if len(same) > 1 else []
