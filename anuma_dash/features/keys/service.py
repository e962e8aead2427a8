"""Making a key: what was asked is stored first, then the gateway is asked, then the outcome is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, or_
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.accounts import sync_account, telling_of
from anuma_dash.errors import GatewayError, GatewayRefused, NotAllowed, NotFound
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission, lock_account, membership_of
from anuma_dash.workflows import Context

APPS_TO_CHOOSE_FROM = 200
ANSWER_INCOMPLETE = "The gateway answered without the secret."


@dataclass(frozen=True)
class KeyWish:
    """What a person asks for. Without `app_id` the key is for the default app; `stricter` are the controls under which
    it stores nothing, whatever the account says."""

    name: str
    environment: schemas.KeyEnvironment
    expires_in_days: int | None
    app_id: UUID | None = None
    stricter: tuple[schemas.ControlName, ...] = ()


@dataclass(frozen=True)
class Creation:
    """What came of it. `secret` is there once, on the very answer to the first sending, and is kept nowhere."""

    intent: KeyIntent
    secret: str | None = None
    repeated: bool = False


def create_key(context: Context, actor: Actor, account_id: UUID, token: UUID, wish: KeyWish) -> Creation:
    """Make a key for the actor. The same `token` makes one key, however often it is sent.

    Raises `NotAllowed`; `NotFound` if the token is somebody else's; `GatewayError` if the gateway could not even be
    told of the account, in which case nothing was asked and nothing is stored.
    """
    actor.require(Permission.MAKE_KEYS)
    sync_account(context, account_id)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        if membership_of(tx, account_id, actor.user_id) is None:
            raise NotAllowed("You do not belong to this account any more.")
        earlier = tx.get(KeyIntent, token)
        if earlier is not None:
            if (earlier.account_id, earlier.created_by) != (account_id, actor.user_id):
                raise NotFound("There is no such form.")
            return Creation(earlier, repeated=True)
        assert actor.user_id is not None
        intent = KeyIntent(
            id=token,
            account_id=account_id,
            name=wish.name,
            environment=wish.environment,
            app_id=wish.app_id,
            stricter=list(wish.stricter),
            expires_at=now + timedelta(days=wish.expires_in_days) if wish.expires_in_days else None,
            created_by=actor.user_id,
            requested_at=now,
        )
        workflows.start_now(intent, now)
        tx.add(intent)
        record(
            tx,
            actor,
            Event.KEY_REQUESTED,
            at=now,
            account_id=account_id,
            name=intent.name,
            environment=intent.environment,
            intent_id=intent.id,
        )
    return _ask(context, actor, intent)


def requested_key(intent: KeyIntent) -> schemas.NewKey:
    """The body that is sent; the same for the same intent, whenever it is sent."""
    return schemas.NewKey.model_validate(
        {
            "name": intent.name,
            "environment": intent.environment,
            "app_id": intent.app_id,
            "controls": {name: {} for name in intent.stricter},
            "created_by": intent.created_by,
            "expires_at": intent.expires_at,
        }
    )


def usable_apps(context: Context, actor: Actor, account_id: UUID) -> list[schemas.App]:
    """The apps that a key can be made in, the default one first; empty if the gateway does not say."""
    try:
        found = context.gateway.apps(actor, account_id, limit=APPS_TO_CHOOSE_FROM).data
    except GatewayError:
        return []
    return sorted((app for app in found if app.is_active), key=lambda app: (not app.is_default, app.name.casefold()))


def _ask(context: Context, actor: Actor, intent: KeyIntent) -> Creation:
    try:
        wish = requested_key(intent)
        key = telling_of(
            context,
            intent.account_id,
            lambda: context.gateway.create_key(actor, intent.account_id, wish, str(intent.id)),
        )
    except GatewayRefused as error:
        return Creation(_note_refusal(context, actor, intent, str(error)))
    except GatewayError as error:
        return Creation(_note_unknown(context, actor, intent, str(error)))
    if key.secret is None:
        return Creation(_note_unknown(context, actor, intent, ANSWER_INCOMPLETE))
    return _note_creation(context, actor, intent, key, key.secret)


def _note_creation(context: Context, actor: Actor, intent: KeyIntent, key: schemas.CreatedKey, secret: str) -> Creation:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, KeyIntent, intent.id, intent.attempt)
        if row is None:
            # This took so long that the worker has begun to withdraw the key: its secret must not be shown any more.
            return Creation(tx.get_one(KeyIntent, intent.id))
        if membership_of(tx, row.account_id, row.created_by) is None:
            # Removed while the gateway was asked: nobody may see the secret, and the worker revokes the key.
            row.outcome = "unknown"
            workflows.retry(row, now, "Who asked for the key does not belong to the account any more.")
            return Creation(row)
        row.outcome, row.settled_at = "done", now
        row.key_id, row.last_four = key.id, key.last_four
        workflows.finish(row)
        record(
            tx,
            actor,
            Event.KEY_CREATED,
            at=now,
            account_id=row.account_id,
            name=row.name,
            key_id=key.id,
            last_four=key.last_four,
        )
    return Creation(row, secret)


def _note_refusal(context: Context, actor: Actor, intent: KeyIntent, reason: str) -> KeyIntent:
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, KeyIntent, intent.id, intent.attempt)
        if row is None:
            return tx.get_one(KeyIntent, intent.id)
        refuse(tx, actor, row, reason, context)
    return row


def refuse(tx: Session, actor: Actor, row: KeyIntent, reason: str, context: Context) -> None:
    """Note that the gateway made no key."""
    now = context.clock()
    row.outcome, row.reason, row.settled_at = "refused", reason[:300], now
    workflows.finish(row)
    record(
        tx,
        actor,
        Event.KEY_REFUSED,
        at=now,
        account_id=row.account_id,
        name=row.name,
        intent_id=row.id,
        reason=reason[:300],
    )


def _note_unknown(context: Context, actor: Actor, intent: KeyIntent, failure: str) -> KeyIntent:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, KeyIntent, intent.id, intent.attempt)
        if row is None:
            return tx.get_one(KeyIntent, intent.id)
        row.outcome = "unknown"
        workflows.retry(row, now, failure)
        record(tx, actor, Event.KEY_UNKNOWN, at=now, account_id=row.account_id, name=row.name, intent_id=row.id)
    return row


def unsettled_intents(tx: Session, account_id: UUID) -> list[KeyIntent]:
    """Keys that were asked for, were not answered, and are being withdrawn, newest first.

    One whose answer is still awaited by its maker is not among them: its secret may yet be shown.
    """
    taken_over = and_(KeyIntent.outcome == "pending", KeyIntent.attempt > 1)
    query = owned(KeyIntent, account_id).where(or_(KeyIntent.outcome == "unknown", taken_over))
    return list(tx.scalars(query.order_by(KeyIntent.requested_at.desc()).limit(20)))
