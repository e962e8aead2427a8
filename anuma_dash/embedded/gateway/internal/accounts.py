"""Accounts: created or replaced whole."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from sqlalchemy import Row, insert, select, update

from anuma_dash.gateway.schemas import Account, AccountBody

from .. import policy
from ..tables import accounts, controls
from .callers import NewAccountWriter, Reader
from .idempotency import lock_account

router = APIRouter(tags=["accounts"])


@router.put("/accounts/{acc}")
def put_account(caller: NewAccountWriter, body: AccountBody) -> Account:
    """Create or update an account. A new one has every control off, at epoch 0."""
    gateway, account = caller.gateway, caller.account
    with gateway.stores.main.write(durable=True) as connection:
        lock_account(connection, account)
        now = gateway.now()
        values = {"name": body.name, "status": body.status, "updated_at": now}
        found = connection.execute(update(accounts).where(accounts.c.id == account).values(values))
        if found.rowcount == 0:
            connection.execute(insert(accounts).values(id=account, created_at=now, **values))
            connection.execute(
                insert(controls).values(
                    account_id=account,
                    epoch=0,
                    body_hash=policy.body_hash({}),
                    applied_at=now,
                    state=policy.new_state(now).model_dump_json(),
                )
            )
        return _show(connection.execute(select(accounts).where(accounts.c.id == account)).one())


@router.get("/accounts/{acc}")
def get_account(caller: Reader) -> Account:
    """One account."""
    with caller.gateway.stores.main.read() as connection:
        return _show(connection.execute(select(accounts).where(accounts.c.id == caller.account)).one())


def _show(row: Row[Any]) -> Account:
    return Account(id=row.id, name=row.name, status=row.status, created_at=row.created_at, updated_at=row.updated_at)
