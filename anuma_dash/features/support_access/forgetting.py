"""What is deleted by itself: support access, and questions for it, that are over and under which nobody looked."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, or_
from sqlalchemy.orm import Session

from anuma_dash.db import unnamed
from anuma_dash.domain.data_register import SETTLED_KEPT
from anuma_dash.domain.support.models import ASK_LIFETIME, EMERGENCY_ASK_LIFETIME, SupportGrant


def forget_old(tx: Session, now: datetime) -> int:
    """Delete grants and questions that were over long ago, but those under which somebody looked; returns how many."""
    before = now - SETTLED_KEPT
    over = or_(
        SupportGrant.ended_at < before,
        and_(SupportGrant.state == "live", SupportGrant.expires_at < before),
        and_(
            SupportGrant.state == "asked", SupportGrant.kind == "grant", SupportGrant.asked_at < before - ASK_LIFETIME
        ),
        and_(
            SupportGrant.state == "asked",
            SupportGrant.kind == "emergency",
            SupportGrant.asked_at < before - EMERGENCY_ASK_LIFETIME,
        ),
    )
    gone = tx.execute(delete(SupportGrant).where(over, *unnamed(SupportGrant)))
    return cast(CursorResult[Any], gone).rowcount
