"""How far each chain was checked, exports of the activity, and the erasing of details past their period."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.audit import GENESIS, Walk
from anuma_dash.db import Base, Owned, new_id
from anuma_dash.vault import Sealable
from anuma_dash.workflows import Durable


class ChainCheck(Durable, Base):
    """How far a chain was walked, and what was found. Its id is the chain's.

    `number`, `hash` and `erased` are where the walk stands that is under way, or stood last; `entries` is how many it
    means to reach, `from_start` whether it began at the first entry. What is said of the chain is `verified_…`, written
    when a walk has reached its end; `whole_at` is when one that began at the first entry did so.
    """

    __tablename__ = "chain_checks"
    __table_args__ = (CheckConstraint("state IN ('new', 'holds', 'broken')", name="state"),)

    state: Mapped[Literal["new", "holds", "broken"]] = mapped_column(String(8), default="new")
    number: Mapped[int] = mapped_column(default=0)
    hash: Mapped[str] = mapped_column(String(64), default=GENESIS)
    erased: Mapped[int] = mapped_column(default=0)
    entries: Mapped[int] = mapped_column(default=0)
    from_start: Mapped[bool] = mapped_column(default=True)
    verified_number: Mapped[int] = mapped_column(default=0)
    verified_hash: Mapped[str] = mapped_column(String(64), default=GENESIS)
    verified_erased: Mapped[int] = mapped_column(default=0)
    verified_at: Mapped[datetime | None]
    whole_at: Mapped[datetime | None]
    broken_at: Mapped[int | None]
    broken_reason: Mapped[str] = mapped_column(String(100), default="")
    checked_at: Mapped[datetime | None] = mapped_column(index=True)

    @property
    def under_way(self) -> bool:
        """Whether a walk is asked for that has not ended."""
        return self.next_try_at is not None

    def begin(self, now: datetime, entries: int, *, from_start: bool) -> None:
        """Ask for a walk: from the first entry, or from the last one that was verified."""
        walk = Walk() if from_start else Walk(self.verified_number, self.verified_hash, self.verified_erased)
        self.number, self.hash, self.erased = walk.number, walk.hash, walk.erased
        self.from_start, self.entries = from_start, entries
        self.failures, self.next_try_at = 0, now


class ActivityExport(Owned, Durable, Base):
    """An export of the activity that somebody asked for; the file itself is in sealed chunks, for a day.

    `up_to` is the last entry that the chain had when it was asked for, `position` behind which entry the next chunk
    begins. `filters` are the words of the address, empty for the whole chain.
    """

    __tablename__ = "activity_exports"
    __table_args__ = (
        CheckConstraint("format IN ('csv', 'jsonl')", name="format"),
        CheckConstraint("state IN ('preparing', 'ready', 'refused', 'destroyed')", name="state"),
    )

    requested_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    requested_at: Mapped[datetime]
    format: Mapped[Literal["csv", "jsonl"]] = mapped_column(String(8))
    filters: Mapped[dict[str, str]] = mapped_column(JSON)
    time_zone: Mapped[str] = mapped_column(String(64))
    own_only: Mapped[bool]
    up_to: Mapped[int]
    state: Mapped[Literal["preparing", "ready", "refused", "destroyed"]] = mapped_column(
        String(16), default="preparing"
    )
    position: Mapped[str] = mapped_column(String(40), default="")
    rows_done: Mapped[int] = mapped_column(default=0)
    rows_known: Mapped[int | None]
    chunks: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)

    @property
    def whole(self) -> bool:
        """Whether it holds the chain from its first entry on, so that it can be checked by itself."""
        return not self.filters and not self.own_only


class ActivityExportChunk(Sealable, Base):
    """A part of an export's file, compressed (zlib, RFC 1950) and sealed."""

    __tablename__ = "activity_export_chunks"
    __table_args__ = (UniqueConstraint("export_id", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    export_id: Mapped[UUID] = mapped_column(ForeignKey("activity_exports.id"))
    number: Mapped[int]
    owner_id: Mapped[UUID]

    @property
    def secret_owner(self) -> UUID:
        """The person who asked for the export."""
        return self.owner_id


class DetailExpiry(Durable, Base):
    """One day's erasing of details that are past their period, and how many it erased. Its id is made of the day."""

    __tablename__ = "detail_expiries"

    requested_at: Mapped[datetime]
    erased: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[datetime | None]
