"""The vault: envelope encryption of what the dashboard keeps secret (AES-256-GCM, NIST SP 800-38D).

Each item has a data key of its own, wrapped by a key-encryption key of the settings. The additional data binds both to
table, row and owner, so that a ciphertext that was moved elsewhere does not open. Emptying an item destroys its data
key: what it held is unreadable from then on, in this database and in every later copy of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, Database
from anuma_dash.errors import DashboardError
from anuma_dash.settings import Settings, VaultKey

NONCE_BYTES = 12
BATCH = 100


class Unreadable(DashboardError):
    """An item that does not open: emptied, moved, altered, or wrapped by a key that is not configured."""


class Sealable:
    """Columns of a row that holds one secret, and whose secret it is. All are None when it holds none."""

    if TYPE_CHECKING:
        id: Mapped[UUID]
    vault_key_id: Mapped[str | None] = mapped_column(String(40), index=True)
    wrapped_data_key: Mapped[bytes | None]
    ciphertext: Mapped[bytes | None]

    @property
    def secret_owner(self) -> UUID:
        """The person or account that the secret belongs to."""
        raise NotImplementedError

    def empty(self) -> None:
        """Destroy the secret and its data key."""
        self.vault_key_id, self.wrapped_data_key, self.ciphertext = None, None, None


class Vault:
    """The key-encryption keys: the first wraps, all of them unwrap."""

    def __init__(self, keys: Sequence[VaultKey]) -> None:
        self._keys = {key.id: key.secret for key in keys}
        self.current = keys[0].id if keys else ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Vault:
        """The vault of a deployment."""
        return cls(settings.vault_keys)

    def seal(self, row: Sealable, plaintext: bytes) -> None:
        """Put a secret into a row, under a new data key. The row must have its id and its owner.

        Raises `Unreadable` if no key is configured.
        """
        data_key = AESGCM.generate_key(256)
        row.ciphertext = _encrypt(data_key, plaintext, _place(row))
        self._wrap(row, data_key)

    def open(self, row: Sealable) -> bytes:
        """The secret of a row. Raises `Unreadable`."""
        if row.ciphertext is None:
            raise Unreadable("There is nothing in this item.")
        return _decrypt(self._data_key(row), row.ciphertext, _place(row))

    def rewrap(self, row: Sealable) -> None:
        """Wrap the data key of a row anew, under the first key; its ciphertext stays. Raises `Unreadable`."""
        self._wrap(row, self._data_key(row))

    def _wrap(self, row: Sealable, data_key: bytes) -> None:
        key = self._keys.get(self.current)
        if key is None:
            raise Unreadable("The vault has no key.")
        row.wrapped_data_key = _encrypt(key, data_key, _place(row, self.current))
        row.vault_key_id = self.current

    def _data_key(self, row: Sealable) -> bytes:
        key = self._keys.get(row.vault_key_id or "")
        if key is None or row.wrapped_data_key is None:
            raise Unreadable("The key of this item is not configured here, or was destroyed.")
        return _decrypt(key, row.wrapped_data_key, _place(row, row.vault_key_id or ""))


def _encrypt(key: bytes, plaintext: bytes, place: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, place)


def _decrypt(key: bytes, sealed: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except (InvalidTag, ValueError):
        raise Unreadable("This item was moved or altered.") from None


def _place(row: Sealable, wrapping_key_id: str = "") -> bytes:
    table: str = row.__tablename__  # type: ignore[attr-defined]
    return "|".join((table, str(row.id), str(row.secret_owner), wrapping_key_id)).encode()


@dataclass(frozen=True)
class Rotation:
    """What a rotation did in one table. What could not be opened was left as it was."""

    table: str
    rewrapped: int
    unreadable: int


def rotate(db: Database, vault: Vault) -> Iterator[Rotation]:
    """Wrap every data key that another key wraps anew, under the first key, without touching what it encrypts.

    It may be killed and run again, and it may run while the dashboard runs.
    """
    for model in sealable_tables():
        rewrapped, unreadable, after = 0, 0, UUID(int=0)
        while True:
            with db.transaction(durable=True) as tx:
                rows = list(
                    tx.scalars(
                        select(model)
                        .where(model.id > after, model.vault_key_id.is_not(None), model.vault_key_id != vault.current)
                        .order_by(model.id)
                        .limit(BATCH)
                        .with_for_update()
                    )
                )
                for row in rows:
                    try:
                        vault.rewrap(row)
                        rewrapped += 1
                    except Unreadable:
                        unreadable += 1
            if not rows:
                break
            after = rows[-1].id
        yield Rotation(model.__tablename__, rewrapped, unreadable)


def sealable_tables() -> list[type[Any]]:
    """Every table that holds secrets, by name."""
    models = {mapper.class_ for mapper in Base.registry.mappers if issubclass(mapper.class_, Sealable)}
    return sorted(models, key=lambda model: str(model.__tablename__))
