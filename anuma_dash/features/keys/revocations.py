"""Who may revoke which key, and asking for it."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.db import owned
from anuma_dash.domain.key_revocations import KeyRevocation, open_revocation, settle_revocation
from anuma_dash.errors import GatewayError, GatewayRefused, NotFound
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.workflows import Context


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
        row = open_revocation(tx, actor, account_id, key_id, name, last_four, context.clock(), again=again)
    key = settle_revocation(context, row.id, row.attempt) if row.outcome == "pending" else None
    with context.db.reading() as tx:
        return tx.get_one(KeyRevocation, row.id), key


def _revocable(context: Context, actor: Actor, account_id: UUID, key_id: UUID) -> tuple[str, str]:
    # What this dashboard made it knows by itself, so that a revocation can be asked for while the gateway is away.
    with context.db.reading() as tx:
        intent = tx.scalar(owned(KeyIntent, account_id).where(KeyIntent.key_id == key_id))
    if intent is None or not actor.may(Permission.MANAGE_KEYS):
        # Whose it is now the gateway knows: keys are handed over.
        try:
            key = find_revocable_key(context, actor, account_id, key_id)
            return key.name, key.last_four
        except GatewayError:
            if intent is None or not may_revoke(actor, intent.created_by):
                raise
    return intent.name, intent.last_four or ""
