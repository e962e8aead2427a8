"""Accounts: created or replaced whole."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection, Row, select, update

from anuma_dash.gateway.schemas import Account, AccountBody, AccountStatus

from ..accounts import add_account
from ..problems import Refused
from ..tables import accounts, api_keys
from .callers import Caller, NewAccountWriter, Reader
from .idempotency import lock_account

router = APIRouter(tags=["accounts"])


@router.put("/accounts/{acc}")
def put_account(caller: NewAccountWriter, body: AccountBody) -> Account:
    """Create or update an account. A new one has every control off, at epoch 0. Suspending or closing it deactivates
    its keys; making it active again activates none of them."""
    gateway, account = caller.gateway, caller.account
    with gateway.stores.main.write(durable=True) as connection:
        lock_account(connection, account)
        now = gateway.now()
        known = connection.execute(select(accounts).where(accounts.c.id == account)).one_or_none()
        before, revision = (known.status, known.revision) if known else (None, 0)
        if body.revision is not None and body.revision < revision:
            detail = "The gateway has seen a later change of this account."
            raise Refused(409, "revision_conflict", detail, stored_version=revision)
        if body.status != (before or "active"):
            _change_status(caller, connection, before, body.status, now)
        values = {"name": body.name, "status": body.status, "updated_at": now, "revision": body.revision or revision}
        if body.status != before:
            values["status_since"] = now
        found = connection.execute(update(accounts).where(accounts.c.id == account).values(values))
        if found.rowcount == 0:
            add_account(connection, account, now, **values)
        return _show(connection.execute(select(accounts).where(accounts.c.id == account)).one())


def _change_status(
    caller: Caller, connection: Connection, before: str | None, status: AccountStatus, now: datetime
) -> None:
    if status != "active" and before == "active":
        column = api_keys.c
        working = (column.account_id == caller.account, column.revoked_at.is_(None), column.deactivated_at.is_(None))
        stopped = list(connection.scalars(select(column.id).where(*working).order_by(column.id)))
        connection.execute(update(api_keys).where(*working).values(deactivated_at=now))
        if stopped:
            caller.gateway.journal.deactivation(connection, caller.account, stopped, now)
    caller.gateway.journal.account(connection, caller.account, status, now)


@router.get("/accounts/{acc}")
def get_account(caller: Reader) -> Account:
    """One account."""
    with caller.gateway.stores.main.read() as connection:
        return _show(connection.execute(select(accounts).where(accounts.c.id == caller.account)).one())


def _show(row: Row[Any]) -> Account:
    # This gateway keeps no copy of an account's state: written is in effect.
    return Account(
        id=row.id,
        name=row.name,
        status=row.status,
        revision=row.revision,
        status_in_effect_at=row.status_since,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
