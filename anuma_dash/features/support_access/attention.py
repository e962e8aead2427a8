"""What needs somebody: staff who ask to be let in, staff who are inside at this moment."""

from __future__ import annotations

from uuid import UUID

from anuma_dash.db import Database, owned
from anuma_dash.domain.attention import Attention
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.gateway.schemas import Overview
from anuma_dash.workflows import Clock


def attention(db: Database, clock: Clock, account_id: UUID, overview: Overview | None) -> list[Attention]:
    """Who of staff asks, and who is inside."""
    now = clock()
    with db.reading() as tx:
        inside = owned(SupportSession, account_id).where(SupportSession.ended_at.is_(None))
        looking = [session for session in tx.scalars(inside) if session.live(now)]
        asked = owned(SupportGrant, account_id).where(SupportGrant.state == "asked", SupportGrant.kind == "grant")
        waiting = [grant for grant in tx.scalars(asked.order_by(SupportGrant.id)) if grant.waiting(now)]
    found = [Attention("support staff is inside the account now", "support_access.index")] if looking else []
    return found + [
        Attention("support asks to look into the account", "support_access.show_request", {"grant_id": grant.id})
        for grant in waiting
    ]
