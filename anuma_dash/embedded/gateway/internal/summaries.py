"""The overview page and the controls page, each in one call, from daily sums rather than scans."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import Connection, Row, func, or_, select

from anuma_dash.gateway.schemas import (
    DataState,
    Day,
    Evidence,
    Inventory,
    Key,
    Overview,
    RequestSummary,
)

from ..metering import first_of_month
from ..policy import CONTROL_NAMES, State, controls_for, controls_of, parse_state
from ..tables import api_keys, apps, content_days, controls, request_days, requests
from .apps import select_apps, show_app
from .callers import Reader
from .inventory import take_inventory, take_inventory_of
from .key_rows import select_keys, show_key
from .listing import MAX_LIMIT
from .request_rows import select_requests, show_summary

router = APIRouter(tags=["pages"])
_DAYS = 30
_LATEST = 10
_LOOKED_AT = 50
_EXPIRING = 20
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
            **_sums(connection, account, now),
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
        latest = _latest(connection, account, _LOOKED_AT)
        keys = select_keys(account, now).order_by(api_keys.c.id.desc()).limit(MAX_LIMIT)
        own_apps = select_apps(account, now).order_by(apps.c.id.desc()).limit(MAX_LIMIT)
        return DataState(
            as_of=now,
            controls=controls_for(controls_of(row), caller.token.person),
            inventory=take_inventory(connection, account, state, now),
            evidence=_evidence(latest, state),
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
        return take_inventory(connection, caller.account, state, now)


def _sums(connection: Connection, account: UUID, now: datetime) -> dict[str, Any]:
    today = now.date()
    sums = request_days.c
    since = min(today - timedelta(days=_DAYS - 1), first_of_month(today))
    found = connection.execute(
        select(request_days).where(sums.account_id == account, sums.day >= since).order_by(sums.day)
    ).all()
    ever = select(func.coalesce(func.sum(sums.requests), 0)).where(sums.account_id == account)
    items = func.coalesce(func.sum(content_days.c.entries), 0)
    size = func.coalesce(func.sum(content_days.c.bytes), 0)
    stored = connection.execute(select(items, size).where(content_days.c.account_id == account)).one()
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


def _show(rows: list[Row[Any]], state: State, now: datetime) -> list[RequestSummary]:
    return [show_summary(row, state, now) for row in rows]


def _evidence(latest: list[Row[Any]], state: State) -> list[Evidence]:
    """Of the newest requests, those that the present value of each control decided.

    Of the five, this gateway keeps the content of prompt logging only; under the other four it stores nothing.
    """
    found = []
    for name in CONTROL_NAMES:
        decided = [row for row in latest if row.content_epoch >= state.controls[name].since_epoch]
        stored = sum(row.content_stored for row in decided) if name == "prompt_logging" else 0
        found.append(Evidence(control=name, looked_at=len(decided), stored_content=stored))
    return found
