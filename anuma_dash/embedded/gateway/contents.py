"""Stored content: its data keys, its rows, and reading it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select

from anuma_dash.gateway.schemas import Message

from .encryption import KeyRing, Sealed, Unreadable, WrappedKey, seal, unseal
from .stores import Stores
from .tables import data_keys, request_contents

_TABLE = request_contents.name
_NEW_KEY = insert(data_keys)


@dataclass(frozen=True)
class Content:
    """What a request said and got."""

    prompt: tuple[Message, ...]
    response: tuple[Message, ...]

    def encode(self) -> bytes:
        """As bytes, to be sealed."""
        parts = {name: [[m.role, m.text] for m in getattr(self, name)] for name in ("prompt", "response")}
        return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> Content:
        """From `encode`'s bytes."""
        parts = json.loads(data)
        return cls(*(tuple(Message(role=r, text=t) for r, t in parts[name]) for name in ("prompt", "response")))


class Vault:
    """Seals and opens content, keeping each data key in the key database."""

    def __init__(self, stores: Stores, ring: KeyRing) -> None:
        self._stores = stores
        self._ring = ring

    def seal(self, account: UUID, request_id: UUID, content: Content, now: datetime) -> Sealed:
        """Encrypt under a new data key, which is committed before this returns: no row ever waits for its key."""
        key, wrapped = self._ring.new_data_key(request_id, account)
        with self._stores.keys.write() as connection:
            connection.execute(
                _NEW_KEY,
                {
                    "id": request_id,
                    "account_id": account,
                    "kek_id": wrapped.kek_id,
                    "nonce": wrapped.sealed.nonce,
                    "wrapped": wrapped.sealed.ciphertext,
                    "created_at": now,
                },
            )
        return seal(key, content.encode(), table=_TABLE, row=request_id, account=account)

    def open(self, connection: Connection, account: UUID, request_id: UUID) -> Content | None:
        """The content of a request, or `None` where there is none or its data key was destroyed.

        Raises:
            Unreadable: there is a key but it does not fit.
        """
        row = connection.execute(
            select(request_contents.c.nonce, request_contents.c.ciphertext).where(
                request_contents.c.request_id == request_id, request_contents.c.account_id == account
            )
        ).one_or_none()
        if row is None:
            return None
        key = self._data_key(account, request_id)
        if key is None:
            return None
        sealed = Sealed(row.nonce, row.ciphertext)
        return Content.decode(unseal(key, sealed, table=_TABLE, row=request_id, account=account))

    def destroy_keys(self, request_ids: Sequence[UUID], *, durable: bool = True) -> int:
        """Destroy data keys; those already gone are not counted. Their content is unreadable from then on."""
        with self._stores.keys.write(durable=durable) as connection:
            return connection.execute(delete(data_keys).where(data_keys.c.id.in_(request_ids))).rowcount

    def _data_key(self, account: UUID, request_id: UUID) -> bytes | None:
        with self._stores.keys.read() as connection:
            row = connection.execute(select(data_keys).where(data_keys.c.id == request_id)).one_or_none()
        if row is None:
            return None
        if row.account_id != account:
            raise Unreadable
        return self._ring.unwrap(WrappedKey(row.kek_id, Sealed(row.nonce, row.wrapped)), request_id, account)
