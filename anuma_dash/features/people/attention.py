"""What needs somebody: keys of people who left, of which the gateway has not been told."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.db import Database
from anuma_dash.domain.attention import Attention
from anuma_dash.features.people.departures import unfinished_departures
from anuma_dash.gateway.schemas import Overview
from anuma_dash.workflows import Clock


def attention(db: Database, clock: Clock, account_id: UUID, overview: Overview | None) -> list[Attention]:
    """Departures that are not settled."""
    with db.reading() as tx:
        rows = unfinished_departures(tx, account_id)
    return [
        Attention(
            f"the gateway has not confirmed what becomes of the keys of {row.user_name}",
            "people.show_departure",
            {"departure_id": row.id},
        )
        for row in rows
    ]
