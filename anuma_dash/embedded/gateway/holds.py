"""Legal holds: what a legal duty forbids to delete. If they cannot be read, nothing may be deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, not_, select
from sqlalchemy.exc import SQLAlchemyError

from .content_tables import legal_holds
from .kinds import KINDS, Kind, is_held

UNREADABLE: Final = "The register of legal holds cannot be read, so nothing is deleted. It is tried again."
KEPT_BECAUSE: Final = "A legal duty forbids to delete it. It goes when that duty has ended and it is deleted again."
_CATEGORIES: Final = {kind.category for kind in KINDS} | {None}


class HoldsUnreadable(Exception):
    """Nobody can say what must be kept."""

    def __init__(self) -> None:
        super().__init__(UNREADABLE)


def free(connection: Connection, account: UUID, kind: Kind) -> ColumnElement[bool]:
    """The condition of what no legal hold keeps. Use it in the transaction in which it was asked for.

    Raises:
        HoldsUnreadable: nothing may be deleted.
    """
    read_holds(connection, account)
    return not_(is_held(kind))


def read_holds(connection: Connection, account: UUID) -> int:
    """How many holds there are on an account.

    Raises:
        HoldsUnreadable: the register is missing, does not answer, or holds what nobody understands.
    """
    query = select(legal_holds).where(legal_holds.c.account_id == account, legal_holds.c.released_at.is_(None))
    try:
        rows = connection.execute(query).all()
    except (SQLAlchemyError, ValueError, TypeError) as error:
        raise HoldsUnreadable from error
    for row in rows:
        times = (row.arrived_from, row.arrived_before)
        if row.category not in _CATEGORIES or not all(isinstance(one, datetime | None) for one in times):
            raise HoldsUnreadable
    return len(rows)
