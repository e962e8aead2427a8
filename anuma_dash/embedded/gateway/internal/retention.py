"""What a period would delete, in numbers, before it is set."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection, and_, func, select

from anuma_dash.gateway.schemas import ControlName, ConversationOwner, RetentionPreview

from .. import problems
from ..holds import HoldsUnreadable, free, read_holds
from ..kinds import OF_CONTROL
from ..problems import Refused
from ..purging import expired
from ..schedule import next_purge
from .callers import Reader
from .inventory import expired_sums

router = APIRouter(tags=["retention"])
Counted = tuple[int, int, datetime | None, datetime | None]
_MAX_DAYS = 3650
Days = Annotated[int | None, Query(ge=1, le=_MAX_DAYS, description="The period, in days")]
UntilDeleted = Annotated[bool, Query(description="No period, as without days: nothing is past it")]
Owner = Annotated[ConversationOwner, Query(description="Of a personal control: whose period it is")]


@router.get("/accounts/{acc}/retention-preview")
def preview_retention(
    caller: Reader,
    control: ControlName,
    days: Days = None,
    until_deleted: UntilDeleted = False,
    owner: Owner = "account",
) -> RetentionPreview:
    """What this period would delete at the next purge, counted right now. Legal holds keep what they name."""
    days = None if until_deleted else days
    whose = _owner(caller, control, owner)
    with caller.gateway.stores.main.read() as connection:
        planned = next_purge(connection, caller.gateway)
        found: Counted = (0, 0, None, None)
        if days is not None:
            try:
                found = _count(connection, caller, control, whose, days)
            except HoldsUnreadable:
                raise problems.holds_unreadable() from None
    count, size, oldest, newest = found
    return RetentionPreview(
        control=control,
        retention_days=days,
        as_of=caller.gateway.now(),
        count=count,
        bytes=size,
        oldest=oldest,
        newest=newest,
        next_purge=planned,
    )


def _owner(caller: Reader, control: ControlName, owner: ConversationOwner) -> UUID:
    if owner == "account" or not OF_CONTROL[control].personal:
        return caller.account
    if caller.token.person is None:
        raise Refused(403, "no_person", "The caller is no person.")
    return caller.token.person


def _count(connection: Connection, caller: Reader, control: ControlName, owner: UUID, days: int) -> Counted:
    kind, account = OF_CONTROL[control], caller.account
    cutoff = next_purge(connection, caller.gateway) - timedelta(days=days)
    past = and_(expired(kind, account, owner, cutoff), free(connection, account, kind))
    ordered = select(kind.arrived).where(past)
    oldest = connection.scalar(ordered.order_by(kind.arrived).limit(1))
    newest = connection.scalar(ordered.order_by(kind.arrived.desc()).limit(1))
    if read_holds(connection, account):
        counted = select(func.count(), func.coalesce(func.sum(kind.size), 0)).select_from(kind.table).where(past)
        count, size = connection.execute(counted).one()
    else:
        count, size = expired_sums(connection, kind, account, owner, cutoff)
    return int(count), int(size), oldest, newest
