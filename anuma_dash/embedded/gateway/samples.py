"""Pieces of what is about to be deleted, to search for afterwards.

Pieces of the text are kept in memory only. Pieces of the ciphertexts and of the wrapped keys may be written down: they
say nothing once the keys are destroyed. They are written as hex, so that the search does not find its own list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, select

from .contents import Content, Vault
from .encryption import Unreadable
from .stores import Stores
from .tables import data_keys, request_contents

_ITEMS: Final = 8
_PIECE_BYTES: Final = 40
_SHORTEST_BYTES: Final = 12
_TEXTS_PER_ITEM: Final = 2


@dataclass(frozen=True)
class Samples:
    """Pieces of text, and pieces of ciphertext."""

    text: frozenset[bytes]
    cipher: frozenset[bytes]

    def cipher_json(self) -> str:
        """The pieces that may be written down."""
        return json.dumps(sorted(piece.hex() for piece in self.cipher))


def cipher_pieces(written: str | None) -> frozenset[bytes]:
    """From `cipher_json`."""
    return frozenset(bytes.fromhex(piece) for piece in json.loads(written or "[]"))


def take_samples(stores: Stores, vault: Vault, account: UUID, condition: ColumnElement[bool]) -> Samples:
    """Take pieces of the oldest and the newest covered items that can still be read."""
    column = request_contents.c
    query = select(column.request_id, column.ciphertext).where(condition).limit(_ITEMS)
    text: set[bytes] = set()
    cipher: set[bytes] = set()
    with stores.main.read() as connection:
        for order in (column.request_id, column.request_id.desc()):
            for row in connection.execute(query.order_by(order)).all():
                cipher.add(row.ciphertext[:_PIECE_BYTES])
                try:
                    content = vault.open(connection, account, row.request_id)
                except Unreadable:
                    continue
                if content is not None:
                    text |= _text_pieces(content)
                    cipher |= _key_pieces(stores, row.request_id)
    return Samples(frozenset(text), frozenset(cipher))


def _text_pieces(content: Content) -> set[bytes]:
    texts = [message.text.encode() for message in (*content.prompt, *content.response)]
    longest = sorted(texts, key=len, reverse=True)[:_TEXTS_PER_ITEM]
    return {text[-_PIECE_BYTES:] for text in longest if len(text) >= _SHORTEST_BYTES}


def _key_pieces(stores: Stores, request_id: UUID) -> set[bytes]:
    with stores.keys.read() as connection:
        return set(connection.scalars(select(data_keys.c.wrapped).where(data_keys.c.id == request_id)))
