"""A witness for the clock of each host: by how much it was set back since it was last looked at (decision 021)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base

STEP = timedelta(seconds=5)
"""What is no jump: workers of one host read the same clock, but not in the order in which they note it."""


class ClockMark(Base):
    """The time that was last read from the clock of one host on which a worker runs."""

    __tablename__ = "clock_marks"

    host: Mapped[str] = mapped_column(String(255), primary_key=True)
    read_at: Mapped[datetime]


def set_back_by(tx: Session, host: str, now: datetime) -> timedelta:
    """By how much the clock of this host was set back since it was last read; zero if it was not. Notes the time."""
    mark = tx.scalar(select(ClockMark).where(ClockMark.host == host).with_for_update())
    if mark is None:
        tx.add(ClockMark(host=host, read_at=now))
        return timedelta(0)
    by = mark.read_at - now
    if timedelta(0) < by <= STEP:
        return timedelta(0)
    mark.read_at = now
    return max(by, timedelta(0))
