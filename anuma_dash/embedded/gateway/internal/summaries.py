"""The overview page and the controls page, each in one call, from daily sums rather than scans."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection, Row, func, not_, or_, select

from anuma_dash.gateway.schemas import (
    ControlName,
    DataState,
    Day,
    Evidence,
    Inventory,
    Key,
    Overview,
    PersonalInEffect,
    RequestSummary,
)

from ..kinds import KINDS
from ..metering import first_of_month
from ..policy import CONTROL_NAMES, PERSONAL, State, controls_for, controls_of, parse_state
from ..purging import show_purges
from ..schedule import next_purge
from ..tables import api_keys, apps, content_days, controls, request_days, requests
from .apps import select_apps, show_app
from .callers import Caller, Reader
from .inventory import take_inventory, take_inventory_of
from .key_rows import select_keys, show_key
from .listing import MAX_LIMIT
from .request_rows import decided_of, select_requests, show_summary

router = APIRouter(tags=["pages"])
_DAYS = 30
_LATEST = 10
_LOOKED_AT = 50
_EXPIRING = 20
_PURGES = 10
_SOON = timedelta(days=14)
Person = Annotated[UUID | None, Query(description="Only the stored content of this person's requests")]


@router.get("/accounts/{acc}/overview")
def get_overview(caller: Reader) -> Overview:
    """Everything the overview page needs."""
    now, account = caller.gateway.now(), caller.account
    with caller.gateway.stores.main.read() as connection:
        row = connection.execute(select(controls).where(controls.c.account_id == account)).one()
        latest = _latest(connection, account, _LATEST)
        return Overview(
            as_of=now,
            **_sums(connection, account, now, seen_as(caller)),
            active_keys=_active_keys(connection, account, now),
            controls=controls_for(controls_of(row), caller.token.person),
            latest=_show(latest, parse_state(row.state), now),
            expiring_keys=_expiring_keys(connection, account, now),
        )


@router.get("/accounts/{acc}/data-state")
def get_data_state(caller: Reader) -> DataState:
    """Everything the controls page needs."""
    now, account = caller.gateway.now(), caller.account
    with caller.gateway.stores.main.read() as connection:
        row = connection.execute(select(controls).where(controls.c.account_id == account)).one()
        state = parse_state(row.state)
        person, planned = seen_as(caller), next_purge(connection, caller.gateway)
        latest = _latest(connection, account, _LOOKED_AT)
        own = _latest_of(connection, account, caller.token.person, _LOOKED_AT)
        keys = select_keys(account, now).order_by(api_keys.c.id.desc()).limit(MAX_LIMIT)
        own_apps = select_apps(account, now).order_by(apps.c.id.desc()).limit(MAX_LIMIT)
        return DataState(
            as_of=now,
            controls=controls_for(controls_of(row), caller.token.person),
            inventory=take_inventory(connection, account, state, now, planned, person),
            evidence=_evidence(latest, own, state, caller.token.person),
            purges=show_purges(connection, account, [account] if person is None else [account, person], _PURGES),
            latest=_show(latest[:_LATEST], state, now),
            apps=[show_app(app) for app in connection.execute(own_apps)],
            keys=[show_key(key, now) for key in connection.execute(keys)],
        )


@router.get("/accounts/{acc}/inventory")
def get_inventory(caller: Reader, person: Person = None) -> Inventory:
    """What is stored, per data category."""
    with caller.gateway.stores.main.read() as connection:
        row = connection.execute(select(controls).where(controls.c.account_id == caller.account)).one()
        state, now = parse_state(row.state), caller.gateway.now()
        if person is not None:
            return take_inventory_of(connection, caller.account, person, state, now)
        planned = next_purge(connection, caller.gateway)
        return take_inventory(connection, caller.account, state, now, planned, seen_as(caller))


def seen_as(caller: Caller) -> UUID | None:
    """Whose personal content the caller may see: their own, if they are a person and not in a support session."""
    return None if caller.token.has_act else caller.token.person


def _sums(connection: Connection, account: UUID, now: datetime, person: UUID | None) -> dict[str, Any]:
    today = now.date()
    sums = request_days.c
    since = min(today - timedelta(days=_DAYS - 1), first_of_month(today))
    found = connection.execute(
        select(request_days).where(sums.account_id == account, sums.day >= since).order_by(sums.day)
    ).all()
    ever = select(func.coalesce(func.sum(sums.requests), 0)).where(sums.account_id == account)
    items = func.coalesce(func.sum(content_days.c.entries), 0)
    size = func.coalesce(func.sum(content_days.c.bytes), 0)
    personal = content_days.c.category.in_([kind.category for kind in KINDS if kind.personal])
    seen = or_(not_(personal), content_days.c.owner.in_([account] if person is None else [account, person]))
    stored = connection.execute(select(items, size).where(content_days.c.account_id == account, seen)).one()
    days = [Day(day=r.day, requests=r.requests, errors=r.errors, cost_micro_usd=r.cost_micro_usd) for r in found]
    nothing = Day(day=today, requests=0, errors=0, cost_micro_usd=0)
    of_today = next((day for day in days if day.day == today), nothing)
    return {
        "requests_today": of_today.requests,
        "errors_today": of_today.errors,
        "cost_today_micro_usd": of_today.cost_micro_usd,
        "cost_month_micro_usd": sum(d.cost_micro_usd for d in days if d.day >= first_of_month(today)),
        "requests_ever": int(connection.scalar(ever) or 0),
        "stored_items": int(stored[0]),
        "stored_bytes": int(stored[1]),
        "days": [day for day in days if day.day > today - timedelta(days=_DAYS)],
    }


def _active_keys(connection: Connection, account: UUID, now: datetime) -> int:
    column = api_keys.c
    alive = (column.revoked_at.is_(None), column.deactivated_at.is_(None))
    unexpired = or_(column.expires_at.is_(None), column.expires_at > now)
    query = select(func.count()).where(column.account_id == account, *alive, unexpired)
    return connection.scalar(query) or 0


def _expiring_keys(connection: Connection, account: UUID, now: datetime) -> list[Key]:
    column = api_keys.c
    soon = select_keys(account, now).where(
        column.revoked_at.is_(None),
        column.deactivated_at.is_(None),
        column.expires_at > now,
        column.expires_at <= now + _SOON,
    )
    rows = connection.execute(soon.order_by(column.expires_at).limit(_EXPIRING))
    return [show_key(row, now) for row in rows]


def _latest(connection: Connection, account: UUID, limit: int) -> list[Row[Any]]:
    query = select_requests(account).order_by(requests.c.id.desc()).limit(limit)
    return list(connection.execute(query))


def _latest_of(connection: Connection, account: UUID, person: UUID | None, limit: int) -> list[Row[Any]]:
    """The newest requests of one person's keys; of service keys if it is nobody."""
    column = requests.c.created_by
    own = select_requests(account).where(column.is_(None) if person is None else column == person)
    return list(connection.execute(own.order_by(requests.c.id.desc()).limit(limit)))


def _show(rows: list[Row[Any]], state: State, now: datetime) -> list[RequestSummary]:
    return [show_summary(row, state, now) for row in rows]


def _evidence(latest: list[Row[Any]], own: list[Row[Any]], state: State, person: UUID | None) -> list[Evidence]:
    """Of the newest requests, those that the present value of each control decided.

    Args:
        own: those of the person's own keys, which the personal controls are about; of service keys if it is nobody.
    """
    found = []
    for name in CONTROL_NAMES:
        since, looked_at = state.controls[name].since_epoch, latest
        if name in PERSONAL:
            looked_at = own
            if person is not None:
                settings: dict[Any, PersonalInEffect] = state.people.get(person, {})
                chosen = settings.get(name)
                since = chosen.since_epoch if chosen else 0
        decided = [row for row in looked_at if row.content_epoch >= since]
        found.append(
            Evidence(control=name, looked_at=len(decided), stored_content=sum(_kept(r, name) for r in decided))
        )
    return found


def _kept(row: Row[Any], control: ControlName) -> bool:
    if control == "prompt_logging":
        return bool(row.content_stored)
    return bool(decided_of(row).get(control, (False,))[0])
