"""What an owner's history is hashed under: one search key each, kept like a data key."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy.exc import IntegrityError

from ..contents import Vault

SEARCH: Final = "search"
"""The kind of the data keys under which search hashes are made."""

_TERM_BYTES: Final = 16


class SearchKey:
    """Keyed hashes of one owner's words and names: the same word of somebody else has another one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def term(self, stem: str) -> bytes:
        """What a stem is indexed under."""
        return self._hash(b"term", stem)[:_TERM_BYTES]

    def reference(self, name: str) -> bytes:
        """What a conversation's name is known by."""
        return self._hash(b"reference", name)

    def _hash(self, what: bytes, text: str) -> bytes:
        return hmac.new(self._key, what + b"\0" + text.encode(), hashlib.sha256).digest()


def search_key_id(account: UUID, owner: UUID) -> UUID:
    """The identifier of an owner's search key: a person has another one in each account."""
    return uuid5(account, str(owner))


def find_search_key(vault: Vault, account: UUID, owner: UUID) -> SearchKey | None:
    """The owner's search key, if there is one. Raises `Unreadable`."""
    key = vault.data_key(account, search_key_id(account, owner))
    return SearchKey(key) if key else None


def search_key(vault: Vault, account: UUID, owner: UUID, now: datetime) -> SearchKey:
    """The owner's search key, made if there is none. Raises `Unreadable`."""
    found = find_search_key(vault, account, owner)
    if found is not None:
        return found
    thing = search_key_id(account, owner)
    try:
        return SearchKey(vault.make_keys(SEARCH, [(account, thing)], now)[thing])
    except IntegrityError:  # somebody else has made it meanwhile
        made = find_search_key(vault, account, owner)
        assert made is not None
        return made
