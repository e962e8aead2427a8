"""`Idempotency-Key`: the same key and body get the same answer, another body under the same key is refused."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Header
from pydantic import BaseModel
from sqlalchemy import Connection, insert, select

from ..policy import body_hash
from ..problems import Refused
from ..tables import accounts, idempotency_keys
from .callers import Caller

Key = Annotated[
    str,
    Header(alias="Idempotency-Key", min_length=8, max_length=200, pattern=r"^[\x21-\x7e]+$"),
]


class Unsaid(BaseModel):
    """Takes the place of a body that holds content: not even its hash is written down."""


class Named(BaseModel):
    """What is remembered of an answer that holds content: which thing it was."""

    id: UUID


class Repeatable:
    """One POST: its account, its idempotency key, and the hash of what was asked."""

    def __init__(self, caller: Caller, key: str, operation: str, body: BaseModel) -> None:
        self._caller = caller
        self._key = key
        self._hash = body_hash({"operation": operation, "body": body.model_dump(mode="json")})

    def earlier(self, connection: Connection) -> str | None:
        """The answer given before, if this was asked before.

        Raises:
            Refused: 409, the key was used for something else.
        """
        row = connection.execute(
            select(idempotency_keys.c.body_hash, idempotency_keys.c.response).where(
                idempotency_keys.c.account_id == self._caller.account, idempotency_keys.c.key == self._key
            )
        ).one_or_none()
        if row is None:
            return None
        if row.body_hash != self._hash:
            raise reused()
        return str(row.response)

    def remember(self, connection: Connection, answer: BaseModel) -> None:
        """Keep the answer, in the transaction of the work itself. Secrets must be out of it."""
        connection.execute(
            insert(idempotency_keys).values(
                account_id=self._caller.account,
                key=self._key,
                body_hash=self._hash,
                response=answer.model_dump_json(),
                created_at=self._caller.gateway.now(),
            )
        )


def lock_account(connection: Connection, account: UUID) -> None:
    """One write to an account at a time (PostgreSQL; on SQLite that holds for the whole database)."""
    connection.execute(select(accounts.c.id).where(accounts.c.id == account).with_for_update(key_share=True))


def reused() -> Refused:
    """The key was used for something else."""
    return Refused(409, "idempotency_key_reused", "This key was used for another request.")
