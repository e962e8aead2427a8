"""What needs somebody: a chain of the activity that does not hold."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.db import Database
from anuma_dash.domain.attention import Attention
from anuma_dash.features.activity.models import ChainCheck
from anuma_dash.gateway.schemas import Overview
from anuma_dash.workflows import Clock


def attention(db: Database, clock: Clock, account_id: UUID, overview: Overview | None) -> list[Attention]:
    """Whether the account's chain is broken, and from where on."""
    with db.reading() as tx:
        check = tx.get(ChainCheck, account_id)
    if check is None or check.broken_at is None:
        return []
    return [Attention(f"the activity’s chain does not hold from entry {check.broken_at:,} on", "activity.verification")]
