"""What of the activity has a limit that a clock set back would lengthen: the files of exports."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.features.activity.models import ActivityExport


def shorten(tx: Session, by: timedelta) -> None:
    """Let every file that can be had be destroyed so much earlier."""
    for row in tx.scalars(select(ActivityExport).where(ActivityExport.state == "ready").with_for_update()):
        if row.expires_at is not None:
            row.expires_at -= by
