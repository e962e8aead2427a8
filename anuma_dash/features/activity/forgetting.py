"""What is deleted by itself: that there was an export whose file is gone."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, delete
from sqlalchemy.orm import Session

from anuma_dash.db import unnamed
from anuma_dash.domain.data_register import SETTLED_KEPT
from anuma_dash.features.activity.models import ActivityExport


def forget_old(tx: Session, now: datetime) -> int:
    """Delete the rows of exports that were asked for long ago and have no file any more; returns how many."""
    over = (ActivityExport.state.in_(("refused", "destroyed")), ActivityExport.requested_at < now - SETTLED_KEPT)
    gone = tx.execute(delete(ActivityExport).where(*over, *unnamed(ActivityExport)))
    return cast(CursorResult[Any], gone).rowcount
