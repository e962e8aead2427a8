"""Stored content: its data keys, its rows, and reading it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, insert, select, update

from anuma_dash.gateway.schemas import Message

from .encryption import KeyManagement, Sealed, Unreadable, WrappedKey, new_data_key, seal, unseal
from .statements import Statement
from .stores import Stores
from .tables import data_keys, destroyed_deletions, request_contents

_TABLE, _TABLE_KIND = request_contents.name, "request_content"
_NEW_KEY = Statement(insert(data_keys))


@dataclass(frozen=True)
class Content:
    """What a request said and got."""

    prompt: tuple[Message, ...]
    response: tuple[Message, ...]

    @property
    def length(self) -> int:
        """How many characters it has."""
        return sum(len(message.text) for messages in (self.prompt, self.response) for message in messages)

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

    def __init__(self, stores: Stores, ring: KeyManagement) -> None:
        self._stores = stores
        self._ring = ring

    def seal(self, contents: Sequence[tuple[UUID, UUID, Content]], now: datetime) -> Mapping[UUID, Sealed]:
        """Encrypt each content under a new data key; the keys are committed before this returns: no row waits for one.

        Args:
            contents: account, request and content of each.

        Returns:
            What was encrypted, by request.
        """
        keys = self.make_keys(_TABLE_KIND, [(account, request_id) for account, request_id, _ in contents], now)
        return {
            request_id: seal(keys[request_id], content.encode(), table=_TABLE, row=request_id, account=account)
            for account, request_id, content in contents
        }

    def make_keys(self, kind: str, things: Sequence[tuple[UUID, UUID]], now: datetime) -> Mapping[UUID, bytes]:
        """Make a data key for each thing; they are committed before this returns.

        Args:
            kind: what the things are: a category of content, or `search`.
            things: account and identifier of each.

        Returns:
            The keys in clear, by the things' identifiers.
        """
        if not things:
            return {}
        made, rows = {}, []
        for account, thing in things:
            made[thing] = new_data_key()
            wrapped = self._ring.wrap(made[thing], thing, account)
            rows.append(
                {
                    "id": thing,
                    "kind": kind,
                    "account_id": account,
                    "kek_id": wrapped.kek_id,
                    "nonce": wrapped.sealed.nonce,
                    "wrapped": wrapped.sealed.ciphertext,
                    "created_at": now,
                }
            )
        with self._stores.keys.write_quickly() as cursor:
            _NEW_KEY.run_many(cursor, self._stores.keys.dialect, rows)
        return made

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
        key = self.data_key(account, request_id)
        if key is None:
            return None
        sealed = Sealed(row.nonce, row.ciphertext)
        return Content.decode(unseal(key, sealed, table=_TABLE, row=request_id, account=account))

    def destroy_keys(self, request_ids: Sequence[UUID], *, durable: bool = True) -> int:
        """Destroy data keys; those already gone are not counted. Their content is unreadable from then on."""
        with self._stores.keys.write(durable=durable) as connection:
            return connection.execute(delete(data_keys).where(data_keys.c.id.in_(request_ids))).rowcount

    def note_destroyed(self, deletion_ids: Sequence[UUID], now: datetime) -> None:
        """Note, where the keys were, that these deletions have destroyed theirs."""
        column = destroyed_deletions.c
        with self._stores.keys.write(durable=True) as connection:
            known = set(connection.scalars(select(column.id).where(column.id.in_(deletion_ids))))
            new = [{"id": one, "at": now} for one in deletion_ids if one not in known]
            if new:
                connection.execute(insert(destroyed_deletions), new)

    def missing_keys(self) -> list[str]:
        """The key-encryption keys that data keys need and that are not configured."""
        column = data_keys.c.kek_id
        query = select(column).where(column.not_in(self._ring.identifiers)).distinct().order_by(column)
        with self._stores.keys.read() as connection:
            return list(connection.scalars(query))

    def rewrap_batch(self, after: UUID | None, batch: int) -> UUID | None:
        """Wrap some data keys under the first key-encryption key, in one transaction; their content is not touched.

        A key that was destroyed meanwhile stays destroyed.

        Args:
            after: data keys up to this one were looked at before.

        Returns:
            The last data key that was looked at, `None` if there was none left.

        Raises:
            Unreadable: a data key does not open.
        """
        column = data_keys.c
        query = select(data_keys).where(column.kek_id != self._ring.current).order_by(column.id).limit(batch)
        if after is not None:
            query = query.where(column.id > after)
        with self._stores.keys.write(durable=True) as connection:
            rows = connection.execute(query.with_for_update()).all()
            for row in rows:
                old = WrappedKey(row.kek_id, Sealed(row.nonce, row.wrapped))
                new = self._ring.wrap(self._ring.unwrap(old, row.id, row.account_id), row.id, row.account_id)
                values = {"kek_id": new.kek_id, "nonce": new.sealed.nonce, "wrapped": new.sealed.ciphertext}
                connection.execute(update(data_keys).where(column.id == row.id).values(values))
        return rows[-1].id if rows else None

    def data_key(self, account: UUID, thing: UUID) -> bytes | None:
        """The data key of a thing in clear, or `None` where there is none: it was destroyed.

        Raises:
            Unreadable: there is one but it is of another account, or its key-encryption key is not configured.
        """
        with self._stores.keys.read() as connection:
            row = connection.execute(select(data_keys).where(data_keys.c.id == thing)).one_or_none()
        if row is None:
            return None
        if row.account_id != account:
            raise Unreadable
        return self._ring.unwrap(WrappedKey(row.kek_id, Sealed(row.nonce, row.wrapped)), thing, account)

    def data_keys(self, account: UUID, things: Sequence[UUID]) -> Mapping[UUID, bytes]:
        """The data keys of several things in clear. Those that are destroyed, or do not fit, are left out."""
        query = select(data_keys).where(data_keys.c.id.in_(things), data_keys.c.account_id == account)
        with self._stores.keys.read() as connection:
            rows = connection.execute(query).all()
        found = {}
        for row in rows:
            with suppress(Unreadable):
                wrapped = WrappedKey(row.kek_id, Sealed(row.nonce, row.wrapped))
                found[row.id] = self._ring.unwrap(wrapped, row.id, account)
        return found
