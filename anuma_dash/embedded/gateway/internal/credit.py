"""Credit: set by the dashboard's ledger, under a version."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy import Connection, Row, insert, select, update

from anuma_dash.gateway.schemas import Credit, CreditBody

from .. import problems
from ..credit import reserved, unsettled
from ..problems import Refused
from ..tables import credits
from .callers import Reader, Writer
from .idempotency import lock_account

router = APIRouter(tags=["credit"])


@router.put("/accounts/{acc}/credit")
def put_credit(caller: Writer, body: CreditBody) -> Credit:
    """Say what the account may spend. The same version and body change nothing; a lower version is a conflict."""
    account, now = caller.account, caller.gateway.now()
    with caller.gateway.stores.main.write(durable=True) as connection:
        lock_account(connection, account)
        row = connection.execute(_select(account).with_for_update()).one_or_none()
        values = body.model_dump()
        if row is None:
            connection.execute(insert(credits).values(account_id=account, spent_micro_usd=0, updated_at=now, **values))
        elif not _is_repeated(row, body):
            connection.execute(update(credits).where(credits.c.account_id == account).values(updated_at=now, **values))
        return _show(connection, account, now)


@router.get("/accounts/{acc}/credit")
def get_credit(caller: Reader) -> Credit:
    """What the account may spend. Missing for an account that was never given credit: nothing bounds it here."""
    with caller.gateway.stores.main.read() as connection:
        return _show(connection, caller.account, caller.gateway.now())


def _is_repeated(row: Row[Any], body: CreditBody) -> bool:
    repeated = all(getattr(row, name) == value for name, value in body.model_dump().items())
    if body.version <= row.version and not repeated:
        detail = "The gateway has a later version, or this one with another body."
        raise Refused(409, "version_conflict", detail, stored_version=row.version)
    return repeated


def _show(connection: Connection, account: UUID, now: datetime) -> Credit:
    row = connection.execute(_select(account)).one_or_none()
    if row is None:
        raise problems.not_found()
    return Credit(
        available_micro_usd=row.available_micro_usd,
        charged_micro_usd=row.charged_micro_usd,
        version=row.version,
        spent_micro_usd=row.spent_micro_usd,
        unsettled_micro_usd=unsettled(row),
        reserved_micro_usd=reserved(connection, account, now),
        updated_at=row.updated_at,
    )


def _select(account: UUID) -> Any:
    return select(credits).where(credits.c.account_id == account)
