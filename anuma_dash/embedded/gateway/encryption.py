"""Encryption of stored content: AES-256-GCM under a data key per request, wrapped by a key-encryption key.

Destroying a data key makes its content unreadable at once. The additional data binds a ciphertext to its table, row
and account, so that one that was moved elsewhere does not decrypt.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .settings import KeyEncryptionKey

_NONCE_BYTES = 12
_TAG_BYTES = 16


class Unreadable(Exception):
    """A ciphertext that does not decrypt: moved, altered, or wrapped by a key that is not configured."""


class KeysMissing(Exception):
    """Data keys are wrapped by key-encryption keys that are not configured."""

    def __init__(self, missing: list[str]) -> None:
        names = ", ".join(missing)
        super().__init__(
            f"stored content needs the key-encryption key {names}, which is not configured (ANUMA_GATEWAY_KEK_FILES)"
        )


@dataclass(frozen=True)
class Sealed:
    """A ciphertext with its nonce."""

    nonce: bytes
    ciphertext: bytes

    @property
    def plain_bytes(self) -> int:
        """The length of what was encrypted: AES-GCM adds a tag and nothing else."""
        return len(self.ciphertext) - _TAG_BYTES


@dataclass(frozen=True)
class WrappedKey:
    """A data key under the key-encryption key `kek_id`."""

    kek_id: str
    sealed: Sealed


def seal(key: bytes, plaintext: bytes, *, table: str, row: UUID, account: UUID) -> Sealed:
    """Encrypt under a new nonce."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return Sealed(nonce, AESGCM(key).encrypt(nonce, plaintext, _place(table, row, account)))


def unseal(key: bytes, sealed: Sealed, *, table: str, row: UUID, account: UUID) -> bytes:
    """Decrypt what was sealed in this place.

    Raises:
        Unreadable: it was sealed elsewhere, under another key, or altered since.
    """
    try:
        return AESGCM(key).decrypt(sealed.nonce, sealed.ciphertext, _place(table, row, account))
    except InvalidTag as error:
        raise Unreadable from error


@runtime_checkable
class KeyManagement(Protocol):
    """Who holds the key-encryption keys: this process (`KeyRing`), or a service that is asked over a network.

    It is called by several threads at once, and for every request whose content is stored: it must answer in
    milliseconds. What it raises other than `Unreadable` is a failure, as that of a database is.
    """

    @property
    def current(self) -> str:
        """The key that wraps from now on: 1 to 64 characters, which the rows wrapped by it carry."""

    @property
    def identifiers(self) -> Sequence[str]:
        """All keys that unwrap, the current one too."""

    def wrap(self, key: bytes, row: UUID, account: UUID) -> WrappedKey:
        """A data key under the current key, bound to its row and account."""

    def unwrap(self, wrapped: WrappedKey, row: UUID, account: UUID) -> bytes:
        """The data key in clear.

        Raises:
            Unreadable: its key is not known, or it was wrapped for another row or account, or altered.
        """


def new_data_key() -> bytes:
    """A new data key, in clear."""
    return AESGCM.generate_key(256)


class KeyRing:
    """The key-encryption keys in this process: the first wraps, all of them unwrap."""

    def __init__(self, keys: tuple[KeyEncryptionKey, ...]) -> None:
        self.current = keys[0].id
        self._secrets = {key.id: key.secret.get_secret_value() for key in keys}

    def wrap(self, key: bytes, row: UUID, account: UUID) -> WrappedKey:
        """A data key under the first key-encryption key."""
        sealed = seal(self._secrets[self.current], key, table=f"data_keys/{self.current}", row=row, account=account)
        return WrappedKey(self.current, sealed)

    @property
    def identifiers(self) -> list[str]:
        """The key-encryption keys that are configured."""
        return list(self._secrets)

    def unwrap(self, wrapped: WrappedKey, row: UUID, account: UUID) -> bytes:
        """The data key in clear.

        Raises:
            Unreadable: its key-encryption key is not configured here, or the row was moved or altered.
        """
        kek = self._secrets.get(wrapped.kek_id)
        if kek is None:
            raise Unreadable
        return unseal(kek, wrapped.sealed, table=f"data_keys/{wrapped.kek_id}", row=row, account=account)


def _place(table: str, row: UUID, account: UUID) -> bytes:
    return f"{table}|{row}|{account}".encode()
