"""Activating a key again that stopped when its account was suspended or its closing was asked for."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.audit import Event, record
from anuma_dash.domain.accounts import sync_account
from anuma_dash.domain.key_revocations import revocation_of
from anuma_dash.errors import Conflict, GatewayUnavailable
from anuma_dash.features.keys.revocations import find_key
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.workflows import Context


def activate_key(context: Context, actor: Actor, account_id: UUID, key_id: UUID) -> schemas.Key:
    """Let a deactivated key work again; returns it as the gateway then knows it.

    That it was asked for is recorded before, that it works only when the gateway said so. Asking again is harmless.
    Raises `NotAllowed`, `NotFound`, `Conflict` if it is not deactivated, `GatewayError`.
    """
    actor.require(Permission.ACTIVATE_KEYS)
    # The gateway must know first that the account is active again.
    sync_account(context, account_id)
    key = find_key(context, actor, account_id, key_id)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        if account.halt:
            raise Conflict(f"This account is {account.halt}. No key can be activated meanwhile.")
        if key.state != "deactivated" or revocation_of(tx, account_id, key_id) is not None:
            raise Conflict("This key is not deactivated, so there is nothing to activate.")
        named = {"name": key.name, "key_id": key_id, "last_four": key.last_four}
        record(tx, actor, Event.KEY_ACTIVATION_REQUESTED, at=now, account_id=account_id, **named)
    activated = context.gateway.activate_key(actor, account_id, key_id)
    if activated.id != key_id or activated.state != "active":
        raise GatewayUnavailable("The gateway has not said that the key works again.")
    with context.db.transaction(durable=True) as tx:
        record(tx, actor, Event.KEY_ACTIVATED, at=context.clock(), account_id=account_id, **named)
    return activated
