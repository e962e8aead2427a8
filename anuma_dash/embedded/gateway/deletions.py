"""Deletions as objects: accepted, shown, and found again after a crash."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, not_, or_, select

from anuma_dash.gateway.schemas import (
    Deletion,
    DeletionPreview,
    DeletionScope,
    Kept,
    NewDeletion,
    StoreResult,
    Unreachable,
)

from .holds import read_holds
from .kinds import Kind, covered, is_held, kinds_of
from .tables import deletions

BACKUPS_EXPIRE: Final = timedelta(days=7)
"""How long the key database's own backups are kept: after that, backups of content cannot be read (GATEWAY.md)."""

UNFINISHED: Final = ("requested", "purging")


def accept(connection: Connection, account: UUID, new: NewDeletion, now: datetime) -> None:
    """Write a deletion down. From the commit on, it will be carried out whatever happens.

    What legal holds keep is counted only when that is known: they are read when it is carried out.
    """
    total, providers = 0, set[str]()
    for kind in kinds_of(new.scope):
        condition = covered(kind, account, new.scope, now)
        total += connection.scalar(select(func.count()).select_from(kind.table).where(condition)) or 0
        providers |= _providers(connection, kind, condition)
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


def _providers(connection: Connection, kind: Kind, condition: ColumnElement[bool]) -> set[str]:
    """Who got any of it."""
    column = kind.table.c
    if "provider" in column:
        return set(connection.scalars(select(column.provider).where(condition).distinct()))
    lists = {"conversations": "providers", "memories": "sent_to"}.get(kind.category)
    if lists is None:
        return set()
    found = connection.scalars(select(column[lists]).where(condition).distinct())
    return {name for one in found for name in json.loads(one or "[]")}


def preview(
    connection: Connection, account: UUID, scope: DeletionScope, now: datetime, person: UUID | None
) -> DeletionPreview:
    """What a deletion of this scope would delete.

    Args:
        person: who asks: of personal kinds only their own things, and those of service keys, are counted. `None`
            counts everybody's.

    Raises:
        HoldsUnreadable: nobody can say it.
    """
    total, held, ends = 0, 0, list[datetime]()
    read_holds(connection, account)
    for kind in kinds_of(scope):
        condition = covered(kind, account, scope, now)
        if kind.personal and person is not None:
            condition = and_(condition, or_(kind.person == person, kind.of_service()))
        counted = select(func.count(), func.min(kind.arrived), func.max(kind.arrived)).select_from(kind.table)
        count, *times = connection.execute(counted.where(condition, not_(is_held(kind)))).one()
        total += count
        held += connection.execute(counted.where(condition, is_held(kind))).one()[0]
        ends += [one for one in times if one is not None]
    return DeletionPreview(
        as_of=now, total=total, oldest=min(ends, default=None), newest=max(ends, default=None), held=held
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
        kept=[Kept.model_validate(item) for item in json.loads(row.kept)],
        not_reached=[Unreachable.model_validate(item) for item in json.loads(row.not_reached)],
        backups_unreadable_by=row.backups_unreadable_by,
        failure=row.failure,
    )
