"""Deletions as objects: accepted, shown, and found again after a crash."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, func, insert, select

from anuma_dash.gateway.schemas import Deletion, DeletionScope, NewDeletion, StoreResult, Unreachable

from .erasure import covered
from .tables import deletions, request_contents

BACKUPS_EXPIRE: Final = timedelta(days=7)
"""How long the key database's own backups are kept: after that, backups of content cannot be read (GATEWAY.md)."""

UNFINISHED: Final = ("requested", "purging")


def accept(connection: Connection, account: UUID, new: NewDeletion, now: datetime) -> None:
    """Write a deletion down. From the commit on, it will be carried out whatever happens."""
    condition = covered(account, new.scope, now)
    total = connection.scalar(select(func.count()).select_from(request_contents).where(condition))
    providers = connection.scalars(select(request_contents.c.provider).where(condition).distinct())
    connection.execute(
        insert(deletions).values(
            id=new.id,
            account_id=account,
            scope=new.scope.model_dump_json(),
            state="requested",
            requested_at=now,
            backups_unreadable_by=now + BACKUPS_EXPIRE,
            total=total,
            done=0,
            providers=json.dumps(sorted(providers)),
            per_store="[]",
            not_reached="[]",
        )
    )


def unfinished(connection: Connection) -> list[UUID]:
    """The deletions that still have to be carried out, oldest first."""
    query = select(deletions.c.id).where(deletions.c.state.in_(UNFINISHED))
    return list(connection.scalars(query.order_by(deletions.c.requested_at)))


def scope_of(row: Row[Any]) -> DeletionScope:
    """The scope as it was asked for."""
    return DeletionScope.model_validate_json(row.scope)


def show(row: Row[Any]) -> Deletion:
    """One deletion."""
    return Deletion(
        id=row.id,
        scope=scope_of(row),
        state=row.state,
        requested_at=row.requested_at,
        finished_at=row.finished_at,
        total=row.total,
        done=row.done,
        per_store=[StoreResult.model_validate(item) for item in json.loads(row.per_store)],
        not_reached=[Unreachable.model_validate(item) for item in json.loads(row.not_reached)],
        backups_unreadable_by=row.backups_unreadable_by,
        failure=row.failure,
    )
