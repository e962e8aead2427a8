"""What is erased by itself: who asked for a closing that is over, and who stopped it.

The row stays with its times: keys that it stopped say so, and on which day.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, or_, update
from sqlalchemy.orm import Session

from anuma_dash.domain.closings import AccountClosing
from anuma_dash.domain.data_register import SETTLED_KEPT


def forget_old(tx: Session, now: datetime) -> int:
    """Erase the people of closings that were over long ago; returns of how many."""
    named = or_(
        AccountClosing.requested_by.is_not(None),
        AccountClosing.requested_by_name != "",
        AccountClosing.undone_by_name != "",
    )
    over = update(AccountClosing).where(AccountClosing.finished_at < now - SETTLED_KEPT, named)
    erased = tx.execute(over.values(requested_by=None, requested_by_name="", undone_by_name=""))
    return cast(CursorResult[Any], erased).rowcount
