"""Making, renaming and retiring apps. Each is recorded when the gateway has said that it is so (decision 048)."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.audit import Event, is_recorded, record
from anuma_dash.domain.accounts import sync_account, telling_of
from anuma_dash.errors import Conflict, GatewayRefused, GatewayUnavailable, NotFound
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

REASONS = {
    "app_has_keys": "This app has keys that work. Revoke them first; then it can be retired.",
    "app_is_default": "The default app stays: keys are made in it that name no other.",
}


def find_app(context: Context, actor: Actor, account_id: UUID, app_id: UUID) -> schemas.App:
    """One app, from the gateway. Raises `NotFound`, `GatewayError`."""
    try:
        return context.gateway.app(actor, account_id, app_id)
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound("There is no such app.") from None
        raise


def create_app(context: Context, actor: Actor, account_id: UUID, token: UUID, name: str) -> schemas.App:
    """Make an app. The same `token` makes one, however often it is sent. Raises `NotAllowed`, `GatewayError`."""
    actor.require(Permission.MANAGE_APPS)
    wish = schemas.NewApp(name=name)
    app = telling_of(context, account_id, lambda: context.gateway.create_app(actor, account_id, wish, str(token)))
    if app.name != name:
        raise GatewayUnavailable("The gateway's answer is about another app.")
    with context.db.reading() as tx:
        recorded = is_recorded(tx, Event.APP_CREATED, account_id, "app", app.id)
    if not recorded:
        _note(context, actor, Event.APP_CREATED, account_id, name=app.name, app_id=app.id)
    return app


def rename_app(context: Context, actor: Actor, account_id: UUID, app: schemas.App, name: str) -> schemas.App:
    """Give an app another name; nothing is sent or recorded if it has that name. Raises `NotFound`, `GatewayError`."""
    actor.require(Permission.MANAGE_APPS)
    if app.name == name:
        return app
    changed = _change(context, actor, account_id, app.id, schemas.AppChange(name=name))
    if changed.name != name:
        raise GatewayUnavailable("The gateway has not said that the app has this name.")
    _note(context, actor, Event.APP_RENAMED, account_id, old=app.name, new=changed.name, app_id=app.id)
    return changed


def retire_app(context: Context, actor: Actor, account_id: UUID, app_id: UUID) -> schemas.App:
    """Let no key be made in an app any more, for good. Raises `NotFound`, `Conflict` if it may not, `GatewayError`."""
    actor.require(Permission.MANAGE_APPS)
    app = find_app(context, actor, account_id, app_id)
    if not app.is_active:
        return app
    changed = _change(context, actor, account_id, app_id, schemas.AppChange(is_active=False))
    if changed.is_active:
        raise GatewayUnavailable("The gateway has not said that the app is retired.")
    _note(context, actor, Event.APP_RETIRED, account_id, name=changed.name, app_id=app_id)
    return changed


def _change(context: Context, actor: Actor, account_id: UUID, app_id: UUID, change: schemas.AppChange) -> schemas.App:
    sync_account(context, account_id)
    try:
        changed = context.gateway.change_app(actor, account_id, app_id, change)
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound("There is no such app.") from None
        if error.code in REASONS:
            raise Conflict(REASONS[error.code]) from None
        raise
    if changed.id != app_id:
        raise GatewayUnavailable("The gateway's answer is about another app.")
    return changed


def _note(context: Context, actor: Actor, event: Event, account_id: UUID, **fields: object) -> None:
    with context.db.transaction(durable=True) as tx:
        record(tx, actor, event, at=context.clock(), account_id=account_id, **fields)
