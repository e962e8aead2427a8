"""What of support access has a limit that a clock set back would lengthen: grants, and questions without an answer."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.domain.support import SupportGrant


def shorten(tx: Session, by: timedelta) -> None:
    """Let every grant that is live, and every question, end so much earlier."""
    open_ones = select(SupportGrant).where(SupportGrant.state.in_(("asked", "live")))
    for row in tx.scalars(open_ones.with_for_update()):
        if row.expires_at is not None:
            row.expires_at -= by
        elif row.asked_at is not None:
            row.asked_at -= by
