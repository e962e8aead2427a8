"""Revoking keys: requested here, true when the gateway says so, tried until it does. Features ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.errors import GatewayError, GatewayRefused
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Actor
from anuma_dash.workflows import Context, Durable, Kind

EFFECT_POLL = timedelta(seconds=2)


class KeyRevocation(Owned, Durable, Base):
    """That a key is to be revoked. `outcome` is pending until the gateway says since when it refuses the key."""

    __tablename__ = "key_revocations"
    __table_args__ = (
        UniqueConstraint("account_id", "key_id"),
        CheckConstraint("outcome IN ('pending', 'in_effect')", name="outcome"),
    )

    key_id: Mapped[UUID]
    key_name: Mapped[str] = mapped_column(String(200))
    key_last_four: Mapped[str] = mapped_column(String(8))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_by_name: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16), default="pending")
    in_effect_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]


def open_revocation(
    tx: Session, actor: Actor, account_id: UUID, key_id: UUID, name: str, last_four: str, now: datetime, *, again: bool
) -> KeyRevocation:
    """Ask for a key to be revoked, inside a transaction that has locked the account; then `settle_revocation`.

    Asking twice is asking once, but with `again` for a key that the gateway had confirmed and lists as working.
    """
    row = revocation_of(tx, account_id, key_id)
    if row is not None and not (row.outcome == "in_effect" and again):
        return row
    row = row or KeyRevocation(id=new_id(), account_id=account_id, key_id=key_id)
    row.key_name, row.key_last_four = name, last_four
    row.requested_by, row.requested_by_name, row.requested_at = actor.user_id, actor.name, now
    row.outcome, row.in_effect_at, row.confirmed_at = "pending", None, None
    workflows.start_now(row, now)
    tx.add(row)
    record(
        tx,
        actor,
        Event.KEY_REVOCATION_REQUESTED,
        at=now,
        account_id=row.account_id,
        name=row.key_name,
        key_id=row.key_id,
        last_four=row.key_last_four,
    )
    return row


def settle_revocation(context: Context, row_id: UUID, attempt: int) -> schemas.Key | None:
    """Ask the gateway once to revoke the key, and note what it said; returns the key if it answered."""
    with context.db.reading() as tx:
        row = tx.get(KeyRevocation, row_id)
    if row is None or row.attempt != attempt or row.next_try_at is None:
        return None
    key, failure = None, ""
    try:
        key = context.gateway.revoke_key(WORKER, row.account_id, row.key_id)
    except GatewayRefused as error:
        failure = f"The gateway refused: {error}"
    except GatewayError as error:
        failure = str(error)
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, KeyRevocation, row_id, attempt)
        if row is None:
            return None
        if key is None:
            workflows.retry(row, context.clock(), failure)
        elif key.revocation_in_effect_at is None:
            workflows.wait(row, context.clock(), EFFECT_POLL)
        else:
            _confirm(tx, row, key.revocation_in_effect_at, context)
    return key


def _confirm(tx: Session, row: KeyRevocation, in_effect_at: datetime, context: Context) -> None:
    now = context.clock()
    row.outcome, row.in_effect_at, row.confirmed_at = "in_effect", in_effect_at, now
    workflows.finish(row)
    record(
        tx,
        WORKER,
        Event.KEY_REVOKED,
        at=now,
        account_id=row.account_id,
        name=row.key_name,
        key_id=row.key_id,
        last_four=row.key_last_four,
        in_effect_at=in_effect_at,
    )


def revocation_of(tx: Session, account_id: UUID, key_id: UUID) -> KeyRevocation | None:
    """The revocation that was asked for of a key, if any."""
    return tx.scalar(owned(KeyRevocation, account_id).where(KeyRevocation.key_id == key_id))


def revocations_of(tx: Session, account_id: UUID, key_ids: Iterable[UUID]) -> dict[UUID, KeyRevocation]:
    """The revocations that were asked for of these keys, by key."""
    rows = tx.scalars(owned(KeyRevocation, account_id).where(KeyRevocation.key_id.in_(list(key_ids))))
    return {row.key_id: row for row in rows}


def unconfirmed_revocations(tx: Session, account_id: UUID) -> list[KeyRevocation]:
    """The revocations that the gateway has not confirmed, oldest first."""
    query = owned(KeyRevocation, account_id).where(KeyRevocation.outcome == "pending")
    return list(tx.scalars(query.order_by(KeyRevocation.requested_at).limit(50)))


def _revoke(context: Context, row_id: UUID, attempt: int) -> None:
    settle_revocation(context, row_id, attempt)


KEY_REVOCATION = Kind("key_revocation", KeyRevocation, _revoke)
