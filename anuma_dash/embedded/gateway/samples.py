"""Pieces of what is about to be deleted, to search for afterwards.

Pieces of the text are kept in memory only. Pieces of the ciphertexts and of the wrapped keys may be written down: they
say nothing once the keys are destroyed. They are written as hex, so that the search does not find its own list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, select

from .content_tables import messages
from .contents import Vault
from .encryption import Sealed, Unreadable, unseal
from .kinds import CONVERSATIONS, Kind
from .stores import Stores
from .tables import data_keys

_ITEMS: Final = 8
_PIECE_BYTES: Final = 40
_SHORTEST_BYTES: Final = 12
_TEXTS_PER_ITEM: Final = 2


@dataclass(frozen=True)
class Samples:
    """Pieces of text, and pieces of ciphertext."""

    text: frozenset[bytes] = frozenset()
    cipher: frozenset[bytes] = frozenset()

    def cipher_json(self) -> str:
        """The pieces that may be written down."""
        return json.dumps(sorted(piece.hex() for piece in self.cipher))

    def __or__(self, other: Samples) -> Samples:
        return Samples(self.text | other.text, self.cipher | other.cipher)


def cipher_pieces(written: str | None) -> frozenset[bytes]:
    """From `cipher_json`."""
    return frozenset(bytes.fromhex(piece) for piece in json.loads(written or "[]"))


def take_samples(stores: Stores, vault: Vault, account: UUID, kind: Kind, condition: ColumnElement[bool]) -> Samples:
    """Take pieces of the oldest and the newest covered items; of their text if they can still be read."""
    text: set[bytes] = set()
    cipher: set[bytes] = set()
    with stores.main.read() as connection:
        for thing in _things(connection, kind, condition):
            key = _data_key(vault, account, thing)
            for table, row in _parts(connection, kind, thing):
                cipher.add(row.ciphertext[:_PIECE_BYTES])
                if key is not None:
                    text |= _text_pieces(key, table, row, account)
            if key is not None:
                cipher |= _key_pieces(stores, thing)
    return Samples(frozenset(text), frozenset(cipher))


def _things(connection: Connection, kind: Kind, condition: ColumnElement[bool]) -> set[UUID]:
    query = select(kind.id).where(condition).limit(_ITEMS)
    return {thing for order in (kind.id, kind.id.desc()) for thing in connection.scalars(query.order_by(order))}


def _parts(connection: Connection, kind: Kind, thing: UUID) -> Iterator[tuple[Table, Row[Any]]]:
    """What is encrypted under a thing's data key: of a conversation its title and some of its messages."""
    for row in connection.execute(_encrypted(kind.table, kind.id).where(kind.id == thing)):
        yield kind.table, row
    if kind is CONVERSATIONS:
        query = _encrypted(messages, messages.c.id).where(messages.c.conversation_id == thing).limit(_TEXTS_PER_ITEM)
        for order in (messages.c.id, messages.c.id.desc()):
            for row in connection.execute(query.order_by(order)):
                yield messages, row


def _encrypted(table: Table, identifier: Column[UUID]) -> Any:
    return select(identifier.label("id"), table.c.nonce, table.c.ciphertext)


def _data_key(vault: Vault, account: UUID, thing: UUID) -> bytes | None:
    try:
        return vault.data_key(account, thing)
    except Unreadable:
        return None


def _text_pieces(key: bytes, table: Table, row: Row[Any], account: UUID) -> set[bytes]:
    try:
        plain = unseal(key, Sealed(row.nonce, row.ciphertext), table=table.name, row=row.id, account=account)
    except Unreadable:
        return set()
    longest = sorted(set(_texts(plain)), key=len, reverse=True)[:_TEXTS_PER_ITEM]
    return {text[-_PIECE_BYTES:] for text in longest if len(text) >= _SHORTEST_BYTES}


def _texts(plain: bytes) -> Iterator[bytes]:
    """The texts in what was encrypted: JSON, or a text itself."""
    try:
        pending = [json.loads(plain)]
    except ValueError:
        pending = [plain.decode(errors="replace")]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one.encode(errors="replace")
        elif isinstance(one, list):
            pending.extend(one)
        elif isinstance(one, dict):
            pending.extend(one.values())


def _key_pieces(stores: Stores, thing: UUID) -> set[bytes]:
    with stores.keys.read() as connection:
        return set(connection.scalars(select(data_keys.c.wrapped).where(data_keys.c.id == thing)))
