"""What stopped an account's keys: its suspensions and the closings that were asked for, to name the one that did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.domain.closings import closings_of
from anuma_dash.domain.suspensions import suspensions_of

CLOCKS_DIFFER = timedelta(minutes=10)
"""By how much the gateway's clock may be behind ours."""


@dataclass(frozen=True)
class Stop:
    """One standstill: when it began here, and its words behind "Stopped"."""

    at: datetime
    words: str


def stops_of(tx: Session, account_id: UUID) -> Sequence[Stop]:
    """Every standstill of an account, the latest first."""
    found = [Stop(row.at, f"by the suspension of {_day(row.at)}") for row in suspensions_of(tx, account_id)]
    found += [
        Stop(row.requested_at, f"by the closing of {_day(row.requested_at)}") for row in closings_of(tx, account_id)
    ]
    return sorted(found, key=lambda stop: stop.at, reverse=True)


def stopped_by(stops: Sequence[Stop], deactivated_at: datetime) -> str:
    """The words for what stopped a key at this time."""
    for stop in stops:
        if stop.at <= deactivated_at + CLOCKS_DIFFER:
            return stop.words
    return "with the account"


def _day(time: datetime) -> str:
    return f"{time:%B} {time.day}, {time.year}"
