"""Keys as the contract shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, select

from anuma_dash.gateway.schemas import Key

from ..metering import first_of_month
from ..policy import CONTROL_NAMES, parse_stricter
from ..tables import api_keys, apps, key_months


def select_keys(account: UUID, now: datetime) -> Select[Any]:
    """The account's keys with what each spent this UTC month."""
    this_month = and_(key_months.c.key_id == api_keys.c.id, key_months.c.month == first_of_month(now.date()))
    return (
        select(api_keys, apps.c.name.label("app_name"), func.coalesce(key_months.c.cost_micro_usd, 0).label("spent"))
        .join(apps, apps.c.id == api_keys.c.app_id)
        .outerjoin(key_months, this_month)
        .where(api_keys.c.account_id == account)
    )


def show_key(row: Row[Any], now: datetime) -> Key:
    """One row. This gateway keeps no copy of a key: created and revoked are in effect at once."""
    return Key(
        id=row.id,
        name=row.name,
        app_id=row.app_id,
        app_name=row.app_name,
        environment=row.environment,
        prefix=row.prefix,
        last_four=row.last_four,
        created_by=row.created_by,
        created_at=row.created_at,
        in_effect_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revocation_in_effect_at=row.revoked_at,
        deactivated_at=row.deactivated_at,
        state=_state(row, now),
        spent_month_micro_usd=row.spent,
        made_without=[name for name in CONTROL_NAMES if name in parse_stricter(row.stricter)],
    )


def _state(row: Row[Any], now: datetime) -> Literal["active", "expired", "revoked", "deactivated"]:
    if row.revoked_at is not None:
        return "revoked"
    if row.expires_at is not None and row.expires_at <= now:
        return "expired"
    return "active" if row.deactivated_at is None else "deactivated"
