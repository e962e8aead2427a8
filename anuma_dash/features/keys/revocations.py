"""Revoking a key: requested here, true when the gateway says so, tried until it does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.errors import GatewayError, GatewayRefused, NotFound
from anuma_dash.features.keys.models import KeyIntent, KeyRevocation
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER, Actor, Permission, lock_account
from anuma_dash.workflows import Context

EFFECT_POLL = timedelta(seconds=2)


def find_key(context: Context, actor: Actor, account_id: UUID, key_id: UUID) -> schemas.Key:
    """One key, from the gateway. Raises `NotFound`, `GatewayError`."""
    try:
        return context.gateway.key(actor, account_id, key_id)
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound("There is no such key.") from None
        raise


def may_revoke(actor: Actor, created_by: UUID | None) -> bool:
    """Whether the actor may revoke a key that this person made."""
    if actor.may(Permission.MANAGE_KEYS):
        return True
    return actor.may(Permission.MANAGE_OWN_KEYS) and created_by is not None and created_by == actor.user_id


def find_revocable_key(context: Context, actor: Actor, account_id: UUID, key_id: UUID) -> schemas.Key:
    """One key that the actor may revoke. Raises `NotFound`, `GatewayError`."""
    key = find_key(context, actor, account_id, key_id)
    if not may_revoke(actor, key.created_by):
        raise NotFound("There is no such key.")
    return key


def request_revocation(
    context: Context, actor: Actor, account_id: UUID, key_id: UUID, *, again: bool = False
) -> tuple[KeyRevocation, schemas.Key | None]:
    """Ask for a key to be revoked, and try at once.

    `again` sends it once more although the gateway had confirmed it (it lists the key as working: a backup was
    restored). Returns how the revocation stands, with the key if the gateway answered. Raises `NotAllowed`,
    `NotFound`, and `GatewayError` if it cannot be told whose key it is; nothing is requested then.
    """
    actor.require(Permission.MANAGE_KEYS, Permission.MANAGE_OWN_KEYS)
    name, last_four = _revocable(context, actor, account_id, key_id)
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        row = revocation_of(tx, account_id, key_id)
        if row is None or (row.outcome == "in_effect" and again):
            row = row or KeyRevocation(id=new_id(), account_id=account_id, key_id=key_id)
            row.key_name, row.key_last_four = name, last_four
            _open(tx, actor, row, context)
    key = settle_revocation(context, row.id, row.attempt) if row.outcome == "pending" else None
    with context.db.reading() as tx:
        return tx.get_one(KeyRevocation, row.id), key


def _open(tx: Session, actor: Actor, row: KeyRevocation, context: Context) -> None:
    now = context.clock()
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


def _revocable(context: Context, actor: Actor, account_id: UUID, key_id: UUID) -> tuple[str, str]:
    # What this dashboard made it knows by itself, so that a revocation can be asked for while the gateway is away.
    with context.db.reading() as tx:
        intent = tx.scalar(owned(KeyIntent, account_id).where(KeyIntent.key_id == key_id))
    if intent is None:
        key = find_revocable_key(context, actor, account_id, key_id)
        return key.name, key.last_four
    if not may_revoke(actor, intent.created_by):
        raise NotFound("There is no such key.")
    return intent.name, intent.last_four or ""


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
