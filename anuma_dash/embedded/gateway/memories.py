"""Memories: what an owner wants models to be told, each sealed under a data key of its own.

Their period counts from the last change. Past it, or once the control is off, none is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from anuma_dash.gateway.schemas import Memory, MemoryChange, NewMemory

from .content_tables import memories
from .contents import Vault
from .encryption import Sealed, seal, unseal
from .keeping import NewKey, NotKept
from .policy import Policy, State, Subject, decide, retention_cutoff, retention_days
from .stores import add_up
from .tables import content_days

CATEGORY: Final = "memories"
MOST_OF_AN_OWNER: Final = 1000
_TABLE: Final = memories.name
_AT_ONCE: Final = 100
_NO_KEY: Final = UUID(int=0)


@dataclass(frozen=True)
class Owner:
    """Whose memories: a person's, or (without one) the account's, which its service keys write."""

    account: UUID
    person: UUID | None

    @property
    def id(self) -> UUID:
        """As the rows say it."""
        return self.person or self.account

    def on_a_page(self) -> Subject:
        """For a decision that no key and no app narrows."""
        return Subject(_NO_KEY, _NO_KEY, self.person)


def check_allowed(policy: Policy, subject: Subject) -> None:
    """Let something be written, or a program read.

    Raises:
        NotKept: memories are off for it.
    """
    if not decide(policy, CATEGORY, subject).stored:
        raise NotKept(403, "memories_off", "Memories are off here, so none is written or used.")


def add(
    connection: Connection,
    key: NewKey,
    owner: Owner,
    memory_id: UUID,
    new: NewMemory,
    now: datetime,
    program: Subject | None = None,
) -> Row[Any]:
    """Write a memory that may be written.

    Args:
        program: whose key it came with, if no person wrote it on a page.

    Raises:
        NotKept: the owner has as many as one may have.
    """
    if (connection.scalar(select(func.count()).where(_of(owner))) or 0) >= MOST_OF_AN_OWNER:
        raise NotKept(409, "memories_full", f"There are {MOST_OF_AN_OWNER} memories, and no more can be kept.")
    sealed = _sealed(key.secret, owner.account, memory_id, new.text)
    row = {
        "id": memory_id,
        "account_id": owner.account,
        "owner": owner.id,
        "created_at": now,
        "source": "program" if program else "person",
        "app_id": program.app_id if program else None,
        "key_id": program.key_id if program else None,
        **_columns(new, sealed, now),
    }
    connection.execute(insert(memories).values(row))
    _count(connection, owner, now, 1, sealed.plain_bytes)
    key.used = True
    return connection.execute(select(memories).where(memories.c.id == memory_id)).one()


def change(connection: Connection, key: bytes, owner: Owner, row: Row[Any], new: MemoryChange, now: datetime) -> None:
    """Write a memory anew; its period begins anew."""
    sealed = _sealed(key, owner.account, row.id, new.text)
    connection.execute(update(memories).where(memories.c.id == row.id).values(_columns(new, sealed, now)))
    _count(connection, owner, row.updated_at, -1, -row.bytes)
    _count(connection, owner, now, 1, sealed.plain_bytes)


def find(connection: Connection, account: UUID, memory_id: UUID) -> Row[Any] | None:
    """A memory's row, past its period or not."""
    query = select(memories).where(memories.c.id == memory_id, memories.c.account_id == account)
    return connection.execute(query).one_or_none()


def remove(connection: Connection, owner: Owner, memory_id: UUID) -> None:
    """Take a memory away whose data key is destroyed, if it is there."""
    row = find(connection, owner.account, memory_id)
    if row is not None:
        connection.execute(delete(memories).where(memories.c.id == memory_id))
        _count(connection, owner, row.updated_at, -1, -row.bytes)


def text_of(row: Row[Any], key: bytes) -> str:
    """What a memory says.

    Raises:
        Unreadable: it was moved or altered.
    """
    sealed = Sealed(row.nonce, row.ciphertext)
    return unseal(key, sealed, table=_TABLE, row=row.id, account=row.account_id).decode()


def show(row: Row[Any], text: str, owner: Owner, state: State) -> Memory:
    """A memory in clear."""
    days = retention_days(state, CATEGORY, owner.person)
    return Memory(
        id=row.id,
        created_at=row.created_at,
        updated_at=row.updated_at,
        text=text,
        source=row.source,
        app_id=row.app_id,
        key_id=row.key_id,
        app_ids=_listed(row.app_ids),
        providers=_listed(row.providers),
        last_used_at=row.last_used_at,
        expires_at=None if days is None else row.updated_at + timedelta(days=days),
    )


def unexpired(owner: Owner, state: State, now: datetime) -> ColumnElement[bool]:
    """The owner's memories that are not past their period."""
    cutoff = retention_cutoff(state, now, CATEGORY, owner.person)
    return _of(owner) if cutoff is None else and_(_of(owner), memories.c.updated_at > cutoff)


def read(
    connection: Connection, vault: Vault, account: UUID, condition: ColumnElement[bool], after: UUID | None = None
) -> Iterator[tuple[Row[Any], str]]:
    """The memories that still have their data keys, in clear, newest first.

    Raises:
        Unreadable: one was moved or altered.
    """
    while True:
        query = select(memories).where(condition).order_by(memories.c.id.desc()).limit(_AT_ONCE)
        rows = connection.execute(query if after is None else query.where(memories.c.id < after)).all()
        keys: Mapping[UUID, bytes] = vault.data_keys(account, [row.id for row in rows]) if rows else {}
        yield from ((row, text_of(row, keys[row.id])) for row in rows if row.id in keys)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].id


def may_be_told(row: Row[Any], app: UUID, provider: str | None = None) -> bool:
    """Whether this app may use a memory and, if one is named, this provider may receive it."""
    apps, providers = _listed(row.app_ids), _listed(row.providers)
    return (apps is None or str(app) in apps) and (provider is None or providers is None or provider in providers)


def has_received(row: Row[Any], provider: str) -> bool:
    """Whether this provider has received a memory before."""
    return provider in json.loads(row.sent_to)


def has_words(text: str, words: Sequence[str]) -> bool:
    """Whether each of these words, in any case, is in the text."""
    folded = text.casefold()
    return all(word in folded for word in words)


def _of(owner: Owner) -> ColumnElement[bool]:
    return and_(memories.c.account_id == owner.account, memories.c.owner == owner.id)


def _sealed(key: bytes, account: UUID, memory_id: UUID, text: str) -> Sealed:
    return seal(key, text.encode(), table=_TABLE, row=memory_id, account=account)


def _columns(new: NewMemory | MemoryChange, sealed: Sealed, now: datetime) -> dict[str, Any]:
    return {
        "updated_at": now,
        "app_ids": None if new.app_ids is None else json.dumps([str(app) for app in new.app_ids]),
        "providers": None if new.providers is None else json.dumps(new.providers),
        "bytes": sealed.plain_bytes,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
    }


def _count(connection: Connection, owner: Owner, at: datetime, entries: int, size: int) -> None:
    day = {"account_id": owner.account, "category": CATEGORY, "owner": owner.id, "day": at.date()}
    add_up(connection, content_days, day, {"entries": entries, "bytes": size})


def _listed(text: str | None) -> list[Any] | None:
    return None if text is None else list(json.loads(text))
