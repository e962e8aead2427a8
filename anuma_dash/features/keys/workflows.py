"""Finding out what became of keys whose making was not answered: nobody has their secret, so they are revoked."""

from __future__ import annotations

from uuid import UUID

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.domain.accounts import sync_account
from anuma_dash.domain.key_revocations import EFFECT_POLL
from anuma_dash.errors import GatewayError, GatewayRefused
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.features.keys.service import refuse, requested_key
from anuma_dash.gateway import schemas
from anuma_dash.identity import WORKER
from anuma_dash.workflows import Context, Kind

BODY_REFUSED = 422
"""The gateway cannot accept this body, so it has never made a key from it."""
FOR_GOOD = ("account_closed", "app_retired")
"""The gateway looks for an earlier answer first: it has made no key from this, and never will."""


def settle_intent(context: Context, intent_id: UUID, attempt: int) -> None:
    """Ask again with the same idempotency key: the key is found, or made only now. Either way nobody has seen its
    secret, so it is revoked."""
    with context.db.reading() as tx:
        intent = tx.get(KeyIntent, intent_id)
    if intent is None or intent.attempt != attempt or intent.next_try_at is None:
        return
    try:
        sync_account(context, intent.account_id)
        made = context.gateway.create_key(WORKER, intent.account_id, requested_key(intent), str(intent.id))
        revoked = context.gateway.revoke_key(WORKER, intent.account_id, made.id)
    except GatewayRefused as error:
        final = error.status == BODY_REFUSED or error.code in FOR_GOOD
        _note_failure(context, intent, attempt, f"The gateway refused: {error}", final=final)
    except GatewayError as error:
        _note_failure(context, intent, attempt, str(error))
    else:
        _note_withdrawal(context, intent, attempt, revoked)


def _note_withdrawal(context: Context, intent: KeyIntent, attempt: int, revoked: schemas.Key) -> None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, KeyIntent, intent.id, attempt)
        if row is None:
            return
        row.outcome, row.key_id, row.last_four = "unknown", revoked.id, revoked.last_four
        if revoked.revocation_in_effect_at is None:
            workflows.wait(row, now, EFFECT_POLL)
            return
        row.outcome, row.settled_at = "withdrawn", now
        workflows.finish(row)
        record(
            tx,
            WORKER,
            Event.KEY_WITHDRAWN,
            at=now,
            account_id=row.account_id,
            name=row.name,
            key_id=revoked.id,
            intent_id=row.id,
        )


def _note_failure(context: Context, intent: KeyIntent, attempt: int, failure: str, *, final: bool = False) -> None:
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, KeyIntent, intent.id, attempt)
        if row is None:
            return
        if final:
            refuse(tx, WORKER, row, failure, context)
            return
        row.outcome = "unknown"
        workflows.retry(row, context.clock(), failure)


KINDS = [Kind("key_intent", KeyIntent, settle_intent)]
