"""Apps: made, renamed, retired."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, status
from sqlalchemy import Connection, Row, Select, and_, func, insert, or_, select, update

from anuma_dash.gateway.schemas import App, AppChange, NewApp, Page

from .. import problems
from ..identifiers import uuid7
from ..problems import Refused
from ..tables import api_keys, apps
from . import idempotency
from .callers import Caller, Reader, Writer
from .listing import After, Limit, keyset, page

router = APIRouter(tags=["apps"])


@router.post("/accounts/{acc}/apps", status_code=status.HTTP_201_CREATED)
def create_app(caller: Writer, body: NewApp, idempotency_key: idempotency.Key) -> App:
    """Make an app."""
    work = idempotency.Repeatable(caller, idempotency_key, "create_app", body)
    with caller.gateway.stores.main.write(durable=True) as connection:
        idempotency.lock_account(connection, caller.account)
        earlier = work.earlier(connection)
        if earlier is not None:
            return App.model_validate_json(earlier)
        now = caller.gateway.now()
        app_id = uuid7(now)
        app = {"id": app_id, "account_id": caller.account, "name": body.name, "created_at": now}
        connection.execute(insert(apps).values(**app, is_default=False, is_active=True))
        made = find_app(connection, caller, app_id)
        work.remember(connection, made)
    return made


@router.get("/accounts/{acc}/apps")
def list_apps(caller: Reader, after: After = None, limit: Limit = 50) -> Page[App]:
    """The account's apps, newest first, retired ones too."""
    with caller.gateway.stores.main.read() as connection:
        query = select_apps(caller.account, caller.gateway.now())
        rows = connection.execute(keyset(query, apps.c.id, after, limit)).all()
    return page(rows, limit, show_app)


@router.get("/accounts/{acc}/apps/{app_id}")
def get_app(caller: Reader, app_id: UUID) -> App:
    """One app."""
    with caller.gateway.stores.main.read() as connection:
        return find_app(connection, caller, app_id)


@router.patch("/accounts/{acc}/apps/{app_id}")
def change_app(caller: Writer, app_id: UUID, body: AppChange) -> App:
    """Rename an app; retire one that has no usable keys, for good."""
    with caller.gateway.stores.main.write(durable=True) as connection:
        idempotency.lock_account(connection, caller.account)
        app = find_app(connection, caller, app_id)
        if body.is_active is False and app.is_active:
            _check_unused(app)
        values: dict[str, Any] = body.model_dump(exclude_none=True)
        if values:
            connection.execute(update(apps).where(apps.c.id == app_id).values(values))
        return find_app(connection, caller, app_id)


def _check_unused(app: App) -> None:
    if app.is_default:
        raise Refused(409, "app_is_default", "The default app stays.")
    if app.active_keys:
        raise Refused(409, "app_has_keys", "Revoke its keys first.")


def select_apps(account: UUID, now: datetime) -> Select[Any]:
    """The account's apps, each with the number of its usable keys."""
    key = api_keys.c
    unexpired = or_(key.expires_at.is_(None), key.expires_at > now)
    usable = and_(key.app_id == apps.c.id, key.revoked_at.is_(None), key.deactivated_at.is_(None), unexpired)
    count = select(func.count()).select_from(api_keys).where(usable).correlate(apps).scalar_subquery()
    return select(apps, count.label("active_keys")).where(apps.c.account_id == account)


def show_app(row: Row[Any]) -> App:
    """One row."""
    return App(**{name: getattr(row, name) for name in App.model_fields})


def find_app(connection: Connection, caller: Caller, app_id: UUID) -> App:
    """One app of the account.

    Raises:
        Refused: 404, it has none such.
    """
    query = select_apps(caller.account, caller.gateway.now()).where(apps.c.id == app_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise problems.not_found()
    return show_app(row)
