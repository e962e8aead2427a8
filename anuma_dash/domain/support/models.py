"""The two tables of support access, and what is true of a row at a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, Owned, new_id
from anuma_dash.errors import Conflict, Invalid
from anuma_dash.names import one_line
from anuma_dash.settings import Settings
from anuma_dash.workflows import Durable

SCOPES = ("metadata", "content", "billing")
"""What a grant may let staff see; metadata is always part of it."""
MOST_HOURS = 72
EMERGENCY_HOURS = 4
LONGEST_SESSION = timedelta(minutes=30)
IDLE = timedelta(minutes=10)
ASK_LIFETIME = timedelta(days=7)
EMERGENCY_ASK_LIFETIME = timedelta(hours=4)
SKEW = timedelta(seconds=5)
"""By how much the clocks of two web processes may differ. A larger step back ends what has a limit."""
LONGEST_REASON = 500
LONGEST_TICKET = 60

State = Literal["asked", "live", "declined", "ended"]
Status = Literal["asked", "live", "declined", "ended", "expired", "lapsed"]


class SupportGrant(Owned, Base):
    """What staff may see in an account, until when, and who said so.

    `asked_by` is the staff member who asked for it; none if the customer gave it without being asked. `granted_by` is
    the customer who gave it, `approved_by` the second administrator of emergency access (`kind` emergency), which
    nobody of the customer gave. A grant that was asked for is for the one who asked; any other is for all of support.
    """

    __tablename__ = "support_grants"
    __table_args__ = (
        CheckConstraint("kind IN ('grant', 'emergency')", name="kind"),
        CheckConstraint("state IN ('asked', 'live', 'declined', 'ended')", name="state"),
        CheckConstraint("hours BETWEEN 1 AND 72", name="hours"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[Literal["grant", "emergency"]] = mapped_column(String(16))
    state: Mapped[State] = mapped_column(String(16))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    hours: Mapped[int]
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON), default="")
    ticket: Mapped[str] = mapped_column(String(LONGEST_TICKET), default="")
    asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    asked_at: Mapped[datetime | None]
    granted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    granted_at: Mapped[datetime | None]
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))

    @property
    def answer_until(self) -> datetime | None:
        """Until when what was asked may be answered."""
        if self.asked_at is None:
            return None
        return self.asked_at + (EMERGENCY_ASK_LIFETIME if self.kind == "emergency" else ASK_LIFETIME)

    def status(self, now: datetime) -> Status:
        """The state at this moment: a live grant expires, and a question that nobody answers lapses, by themselves."""
        if self.state == "asked" and self.answer_until is not None and now >= self.answer_until:
            return "lapsed"
        if self.state == "live" and not self.live(now):
            return "expired"
        return self.state

    def live(self, now: datetime) -> bool:
        """Whether staff may look under it at this moment."""
        if self.state != "live" or self.granted_at is None or self.expires_at is None:
            return False
        return self.granted_at - SKEW <= now < self.expires_at

    def waiting(self, now: datetime) -> bool:
        """Whether somebody waits for an answer."""
        return self.status(now) == "asked"

    @property
    def allowed_by(self) -> UUID | None:
        """Who let staff in: the customer, or the second administrator of emergency access."""
        return self.granted_by or self.approved_by


class SupportSession(Owned, Durable, Base):
    """A member of staff inside a customer's account, for half an hour at most, under one grant.

    It belongs to the staff member's own browser session `staff_session_id` and is worth nothing without it. The
    worker ends one that has run out, so that its end is recorded even if nobody comes back.
    """

    __tablename__ = "support_sessions"
    __table_args__ = (
        Index(
            "ix_support_sessions_live",
            "grant_id",
            "staff_id",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
    )

    grant_id: Mapped[UUID] = mapped_column(ForeignKey("support_grants.id"), index=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    staff_session_id: Mapped[UUID] = mapped_column(index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(LONGEST_REASON))
    ticket: Mapped[str] = mapped_column(String(LONGEST_TICKET))
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    ended_why: Mapped[str | None] = mapped_column(String(16))

    def live(self, now: datetime) -> bool:
        """Whether it is within its limits; what else ends it, `why_over` says."""
        return self.ended_at is None and self.ran_out(now) is None

    def ran_out(self, now: datetime) -> str | None:
        """Which limit it has met: its end, its idle time, or a clock that was set back and would lengthen both."""
        if now < self.last_seen_at - SKEW:
            return "clock"
        if now >= self.ends_at:
            return "limit"
        return "idle" if now >= self.last_seen_at + IDLE else None


def check_switched_on(settings: Settings) -> None:
    """Raise `Conflict` unless the deployment has support access (rule 1)."""
    if not settings.support_access:
        raise Conflict("Support access is switched off in this deployment, so nobody can be let in.")


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes in their order, metadata always among them. Raises `Invalid`."""
    wanted = {"metadata", *scopes}
    if not wanted <= set(SCOPES):
        raise Invalid("Choose what staff may see from the list.", field="scopes")
    return [scope for scope in SCOPES if scope in wanted]


def checked_hours(hours: int, most: int = MOST_HOURS) -> int:
    """The hours of a grant. Raises `Invalid`."""
    if not 1 <= hours <= most:
        raise Invalid(f"Enter 1 to {most} hours.", field="hours")
    return hours


def checked_text(value: str, field: str, longest: int, missing: str = "") -> str:
    """One line of text. Raises `Invalid` if it is too long, or empty where `missing` says what is asked for."""
    value = one_line(value)
    if missing and not value:
        raise Invalid(missing, field=field)
    if len(value) > longest:
        raise Invalid(f"Use {longest} characters at most.", field=field)
    return value
