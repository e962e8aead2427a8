"""What choosing a period does, in numbers, before it is saved."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from anuma_dash.domain.controls import Scope, Value, is_longer, latest_change, value_in
from anuma_dash.errors import GatewayError
from anuma_dash.features.data_controls.service import Place
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor
from anuma_dash.workflows import Context


@dataclass(frozen=True)
class Effect:
    """What a period would do. `preview` is None where nothing is deleted by it, or where that cannot be counted."""

    kind: str
    preview: schemas.RetentionPreview | None = None
    problem: str = ""

    @property
    def count(self) -> int | None:
        """How many items it would delete; None if that is not known."""
        return self.preview.count if self.preview else None

    @property
    def may_be_saved(self) -> bool:
        """A shorter period is saved only after what it deletes was shown."""
        return self.kind != "same" and not self.problem


def asked_value(context: Context, account_id: UUID, scope: Scope) -> Value:
    """What was asked for last at a scope."""
    with context.db.reading() as tx:
        latest = latest_change(tx, account_id)
    return value_in(latest.state, scope) if latest else Value()


def effect_of(context: Context, actor: Actor, account_id: UUID, place: Place, days: int | None, asked: Value) -> Effect:
    """What choosing these days would do, with one call to the gateway for a shorter period."""
    if days == asked.retention_days:
        return Effect("same")
    if is_longer(days, asked.retention_days):
        return Effect("longer")
    query = {"control": place.control.name, "days": days, "owner": "me" if place.own else "account"}
    try:
        return Effect("shorter", context.gateway.retention_preview(actor, account_id, **query))
    except GatewayError:
        return Effect("shorter", problem="What this would delete cannot be counted right now, so it cannot be saved.")
