"""Keeping one thing under a data key of its own: the key comes first, and goes again if the thing is not kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .contents import Vault


class NotKept(Exception):
    """What was sent is not kept, and why: each API says it in its own shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message


@dataclass
class NewKey:
    """A data key in clear. Whoever wrote something under it says so."""

    secret: bytes
    used: bool = False


@contextmanager
def new_key(vault: Vault, kind: str, account: UUID, thing: UUID, now: datetime) -> Iterator[NewKey]:
    """A data key for a thing that is about to be written; it is destroyed if that fails or does not happen.

    Args:
        kind: the thing's category.
    """
    key = NewKey(vault.make_keys(kind, [(account, thing)], now)[thing])
    try:
        yield key
    except BaseException:
        key.used = False
        raise
    finally:
        if not key.used:
            vault.destroy_keys([thing], durable=False)
