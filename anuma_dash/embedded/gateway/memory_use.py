"""What requests do to the memories that went along with them: when they were last used, and who has received them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Dialect, bindparam, select, update

from .content_tables import memories
from .statements import Cursor, Statement

_THIS = (memories.c.id == bindparam("memory"), memories.c.account_id == bindparam("account"))
_USED = Statement(update(memories).where(*_THIS).values(last_used_at=bindparam("at")))
_SENT_TO = Statement(select(memories.c.sent_to).where(*_THIS))
_SENT = Statement(update(memories).where(*_THIS).values(sent_to=bindparam("providers")))


class MemoryUse:
    """Gathered over one transaction that settles requests. What is deleted by then stays so."""

    def __init__(self) -> None:
        self._used: dict[tuple[UUID, UUID], datetime] = {}
        self._first: set[tuple[UUID, UUID, str]] = set()

    def add(
        self, account: UUID, provider: str, used: Sequence[UUID], first_told: Sequence[UUID], arrived_at: datetime
    ) -> None:
        """A request took these along.

        Args:
            first_told: those of them that this provider had not received before.
        """
        for memory in used:
            place = account, memory
            self._used[place] = max(arrived_at, self._used.get(place, arrived_at))
        self._first.update((account, memory, provider) for memory in first_told)

    def write(self, cursor: Cursor, dialect: Dialect) -> None:
        """Note it, always in the same order of rows."""
        used = [{"account": account, "memory": one, "at": at} for (account, one), at in sorted(self._used.items())]
        _USED.run_many(cursor, dialect, used)
        for account, one, provider in sorted(self._first):
            which = {"account": account, "memory": one}
            for (sent_to,) in _SENT_TO.rows(cursor, dialect, which):
                providers = json.dumps(sorted({*json.loads(sent_to), provider}))
                _SENT.run(cursor, dialect, {**which, "providers": providers})
