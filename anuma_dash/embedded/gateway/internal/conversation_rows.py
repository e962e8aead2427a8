"""Conversations as the contract shows them: whose, in which order, decrypted."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Boolean, ColumnElement, Connection, Row, Select, Uuid, literal, select, tuple_

from anuma_dash.gateway.schemas import Conversation, ConversationMessage

from ..content_tables import conversations, messages
from ..core import Gateway
from ..encryption import Sealed, unseal
from ..history.keeping import decode
from ..policy import State, read_policy, retention_cutoff, retention_days
from ..problems import Refused
from ..tables import UtcTime, apps
from .callers import Caller

Owner = Literal["me", "account"]
_ORDER = (conversations.c.pinned, conversations.c.updated_at, conversations.c.id)


class Shelf:
    """One owner's conversations that are not past their period, read in one transaction.

    In a support session, and for the service itself, `me` is nobody.
    """

    def __init__(self, caller: Caller, owner: Owner, connection: Connection) -> None:
        self.gateway: Gateway = caller.gateway
        self.account = caller.account
        self.connection = connection
        self.now: datetime = caller.gateway.now()
        self.state: State = read_policy(connection, caller.account).state
        self.owner = self._owner(caller, owner)
        self.person = None if owner == "account" else self.owner

    def _owner(self, caller: Caller, owner: Owner) -> UUID | None:
        if caller.token.has_act:
            return None
        return caller.account if owner == "account" else caller.token.person

    def select(self, *where: ColumnElement[bool]) -> Select[Any]:
        """The conversations that may be shown, with their apps' names."""
        column = conversations.c
        query = (
            select(conversations, apps.c.name.label("app_name"))
            .join(apps, apps.c.id == column.app_id)
            .where(column.account_id == self.account, column.owner == self.owner, *where)
        )
        cutoff = retention_cutoff(self.state, self.now, "chat_history", self.person)
        return query if cutoff is None else query.where(column.updated_at > cutoff)

    def find(self, conversation_id: UUID) -> tuple[Row[Any], bytes] | None:
        """One conversation and its data key; `None` if it is nobody's, another's, past its period or deleted."""
        row = self.connection.execute(self.select(conversations.c.id == conversation_id)).one_or_none()
        key = self.gateway.vault.data_key(self.account, conversation_id) if row is not None else None
        return None if row is None or key is None else (row, key)

    def show(self, row: Row[Any], key: bytes) -> Conversation:
        """One conversation. Raises `Unreadable`."""
        sealed = Sealed(row.nonce, row.ciphertext)
        title = unseal(key, sealed, table=conversations.name, row=row.id, account=row.account_id).decode()
        days = retention_days(self.state, "chat_history", self.person)
        ends = None if days is None else row.updated_at + timedelta(days=days)
        made = ("title", "expires_at")
        fields = {name: getattr(row, name) for name in Conversation.model_fields if name not in made}
        return Conversation(**fields, title=title, expires_at=ends)

    def show_all(self, rows: list[Row[Any]]) -> list[Conversation]:
        """Those that can be read: of a deleted one only the row may still be there."""
        keys = [(row, self.gateway.vault.data_key(self.account, row.id)) for row in rows]
        return [self.show(row, key) for row, key in keys if key is not None]


def show_message(row: Row[Any], key: bytes, branches: list[UUID]) -> ConversationMessage:
    """One message. Raises `Unreadable`."""
    sealed = Sealed(row.nonce, row.ciphertext)
    message = decode(unseal(key, sealed, table=messages.name, row=row.id, account=row.account_id))
    fields = {name: getattr(row, name) for name in ("id", "parent_id", "created_at", "model", "request_id")}
    return ConversationMessage(**message.model_dump(), **fields, branches=branches)


def newest_first(query: Select[Any], after: str | None, limit: int) -> Select[Any]:
    """One page, with a row more: pinned ones first, then by the last message, newest first."""
    if after is not None:
        pinned, updated_at, place = _parse(after)
        last = (literal(pinned, Boolean), literal(updated_at, UtcTime()), literal(place, Uuid))
        query = query.where(tuple_(*_ORDER) < tuple_(*last))
    return query.order_by(*(column.desc() for column in _ORDER)).limit(limit + 1)


def cursor_of(row: Row[Any]) -> str:
    """What comes after this row."""
    text = f"{int(row.pinned)} {row.updated_at.isoformat()} {row.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _parse(cursor: str) -> tuple[bool, datetime, UUID]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        pinned, updated_at, place = text.split(" ")
        found = datetime.fromisoformat(updated_at)
        if found.tzinfo is None:
            raise ValueError
        return pinned == "1", found, UUID(place)
    except ValueError:
        raise Refused(422, "invalid_request", "query.after: not the `next` of a page.") from None
