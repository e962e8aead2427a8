"""Encryption of stored content: AES-256-GCM under a data key per request, wrapped by a key-encryption key.

Destroying a data key makes its content unreadable at once. The additional data binds a ciphertext to its table, row
and account, so that one that was moved elsewhere does not decrypt.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .settings import KeyEncryptionKey

_NONCE_BYTES = 12


class Unreadable(Exception):
    """A ciphertext that does not decrypt: moved, altered, or wrapped by a key that is not configured."""


@dataclass(frozen=True)
class Sealed:
    """A ciphertext with its nonce."""

    nonce: bytes
    ciphertext: bytes


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


class KeyRing:
    """The key-encryption keys: the first wraps, all of them unwrap."""

    def __init__(self, keys: tuple[KeyEncryptionKey, ...]) -> None:
        self._current = keys[0].id
        self._secrets = {key.id: key.secret.get_secret_value() for key in keys}

    def new_data_key(self, row: UUID, account: UUID) -> tuple[bytes, WrappedKey]:
        """A new data key, in clear and wrapped."""
        key = AESGCM.generate_key(256)
        kek = self._secrets[self._current]
        sealed = seal(kek, key, table=f"data_keys/{self._current}", row=row, account=account)
        return key, WrappedKey(self._current, sealed)

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
