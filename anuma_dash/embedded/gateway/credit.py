"""Credit: what an account may still spend, and the reservations of requests under way.

`available` is the dashboard's ledger after everything it has charged for; `spent` is what this gateway has metered
since the account's first credit. What of it is not `charged` yet is unsettled: spent here, not yet charged there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Dialect, Row, bindparam, delete, func, insert, select, update

from .statements import Cursor, Statement
from .stores import Store
from .tables import credits, reservations

_SPEND = Statement(
    update(credits)
    .where(credits.c.account_id == bindparam("account"))
    .values(spent_micro_usd=credits.c.spent_micro_usd + bindparam("cost"))
)
_RELEASE = Statement(delete(reservations).where(reservations.c.request_id == bindparam("request")))


@dataclass(frozen=True)
class Reservation:
    """The most that one request is expected to cost, set aside until it is settled or `ends_at` has passed."""

    request_id: UUID
    account: UUID
    micro_usd: int
    ends_at: datetime


def reserve(store: Store, wanted: Reservation, now: datetime) -> bool:
    """Set the cost of a request aside. One account's reservations are made one at a time.

    Returns:
        False if the credit does not reach. True also for an account without a credit record: nothing bounds it.
    """
    with store.write() as connection:
        row = connection.execute(
            select(credits).where(credits.c.account_id == wanted.account).with_for_update()
        ).one_or_none()
        if row is None:
            return True
        over = reservations.c.ends_at <= now
        connection.execute(delete(reservations).where(reservations.c.account_id == wanted.account, over))
        left = row.available_micro_usd - unsettled(row) - reserved(connection, wanted.account, now)
        if left <= 0 or left < wanted.micro_usd:
            return False
        connection.execute(
            insert(reservations).values(
                request_id=wanted.request_id,
                account_id=wanted.account,
                micro_usd=wanted.micro_usd,
                ends_at=wanted.ends_at,
            )
        )
        return True


def unsettled(row: Row[Any]) -> int:
    """What is spent here and not yet charged there, in micro-USD.

    Never below nothing: a gateway whose database was restored has spent less than it is charged for.
    """
    return max(0, int(row.spent_micro_usd) - int(row.charged_micro_usd))


def reserved(connection: Connection, account: UUID, now: datetime) -> int:
    """What the requests under way have set aside, in micro-USD."""
    column = reservations.c
    total = select(func.coalesce(func.sum(column.micro_usd), 0))
    return int(connection.scalar(total.where(column.account_id == account, column.ends_at > now)) or 0)


def spend(cursor: Cursor, dialect: Dialect, micro_usd: Mapping[UUID, int], released: Sequence[UUID]) -> None:
    """Count what requests cost, in the transaction that writes their rows.

    Args:
        micro_usd: what each account spent.
        released: the requests that had a reservation.
    """
    spent = [{"account": account, "cost": cost} for account, cost in sorted(micro_usd.items()) if cost]
    _SPEND.run_many(cursor, dialect, spent)
    _RELEASE.run_many(cursor, dialect, [{"request": request_id} for request_id in sorted(released)])
