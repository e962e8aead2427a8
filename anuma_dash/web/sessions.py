"""Sessions on the server: an opaque token in the browser, its hash here, ended at once when told to.

Idle and absolute limits are settings, and shorter for people with a staff role, from the moment they have one. The
token changes at sign-in and at re-authentication (NIST SP 800-63B-4, 5). A clock that is set back lengthens no life
(decision 032).
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import JSON, CursorResult, ForeignKey, String, delete, exists, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, Database, new_id, unnamed
from anuma_dash.domain.data_register import session_days_kept
from anuma_dash.identity import StaffMember, User
from anuma_dash.settings import Settings

LAST_SEEN_EVERY = timedelta(seconds=60)
CLOCKS_APART = timedelta(seconds=5)
"""How far the clocks of two web hosts may differ before one counts as set back."""
DRAFT_LIFETIME = timedelta(minutes=15)
MOST_DRAFTS = 20
Ending = Literal["signed_out", "elsewhere", "provider", "disconnected", "restored"]
"""How a session was ended: by signing out in it, from another session of the person, by the provider, by disconnecting
the provider, by an operator after a restore. Nothing is said of it where the service itself ended it."""


class BrowserSession(Base):
    """One browser in which a person is signed in. `sid` is what the provider calls its own session, if it says so.

    `place` is an ISO 3166-1 alpha-2 code, if a trusted proxy names one. `set_back_seconds` is by how much the clock was
    set back while the session was in use.
    """

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    provider: Mapped[str] = mapped_column(String(31))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[str | None] = mapped_column(String(255), index=True)
    device: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    authenticated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    place: Mapped[str] = mapped_column(String(2), default="")
    set_back_seconds: Mapped[int] = mapped_column(default=0)
    ended_how: Mapped[Ending | None] = mapped_column(String(16))


class Draft(Base):
    """What a person had typed when they were asked to confirm who they are. Never holds a secret."""

    __tablename__ = "drafts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(String(300))
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]


@dataclass(frozen=True)
class Device:
    """Where a session lives: the browser in a few words, the address, the country if a trusted proxy names it."""

    name: str
    address: str
    place: str = ""


@dataclass(frozen=True)
class Limits:
    """How long sessions live: while nobody uses them, and at the longest."""

    idle: timedelta
    absolute: timedelta

    def idle_end(self, session: BrowserSession) -> datetime:
        """When the session ends if nobody uses it any more."""
        return session.last_seen_at + self.idle

    def absolute_end(self, session: BrowserSession) -> datetime:
        """When the session ends however busy it is."""
        return session.created_at + self.absolute - timedelta(seconds=session.set_back_seconds)

    def end(self, session: BrowserSession) -> datetime:
        """When the session ends, or has ended, by itself."""
        return min(self.idle_end(session), self.absolute_end(session))


def limits_of(settings: Settings, *, staff: bool) -> Limits:
    """The limits for customers, or for people with a staff role."""
    if staff:
        return Limits(timedelta(minutes=settings.staff_idle_minutes), timedelta(hours=settings.staff_absolute_hours))
    return Limits(timedelta(days=settings.session_idle_days), timedelta(days=settings.session_absolute_days))


def limits_of_person(tx: Session, settings: Settings, user_id: UUID) -> Limits:
    """The limits of this person's sessions as their roles are now."""
    staff = tx.scalar(select(exists().where(StaffMember.user_id == user_id)))
    return limits_of(settings, staff=bool(staff))


def hash_token(settings: Settings, token: str) -> list[str]:
    """The hashes under which a token may be stored: one for each session secret, the current one first."""
    return [
        hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest() for secret in settings.session_secrets
    ]


def start_session(
    tx: Session,
    settings: Settings,
    *,
    user: User,
    account_id: UUID | None,
    provider: str,
    issuer: str,
    subject: str,
    device: Device,
    authenticated_at: datetime,
    now: datetime,
    sid: str | None = None,
) -> tuple[BrowserSession, str]:
    """Start a session; returns it with the token for the cookie, which is not kept."""
    token = secrets.token_urlsafe(32)
    session = BrowserSession(
        id=new_id(),
        token_hash=hash_token(settings, token)[0],
        user_id=user.id,
        account_id=account_id,
        provider=provider,
        issuer=issuer,
        subject=subject,
        sid=sid,
        device=device.name[:120],
        address=device.address[:64],
        place=device.place,
        created_at=now,
        last_seen_at=now,
        authenticated_at=authenticated_at,
    )
    tx.add(session)
    tx.flush()
    return session, token


def find_session(tx: Session, settings: Settings, token: str, now: datetime) -> tuple[BrowserSession, User] | None:
    """The live session of a token with its person; None if it ended, expired, or its person is suspended."""
    # The staff role is asked for in the same query: it may have been given or taken since the session began.
    staff_role = exists().where(StaffMember.user_id == User.id)
    row = tx.execute(
        select(BrowserSession, User, staff_role)
        .join(User, User.id == BrowserSession.user_id)
        .where(BrowserSession.token_hash.in_(hash_token(settings, token)))
    ).first()
    if row is None:
        return None
    session, user, staff = row
    alive = session.ended_at is None and user.status == "active" and now < limits_of(settings, staff=staff).end(session)
    return (session, user) if alive else None


def note_seen(db: Database, session: BrowserSession, now: datetime) -> None:
    """Note that the session is in use, at most once a minute; and if it was seen later than now, by how much.

    The clock was then set back, and the session's remaining life is shortened by as much.
    """
    if -CLOCKS_APART <= now - session.last_seen_at < LAST_SEEN_EVERY:
        return
    with db.transaction() as tx:
        row = tx.get_one(BrowserSession, session.id, with_for_update=True)
        if row.last_seen_at - now > CLOCKS_APART:
            row.set_back_seconds += math.ceil((row.last_seen_at - now).total_seconds())
        row.last_seen_at = now


def lifetime(tx: Session, settings: Settings, token: str) -> timedelta:
    """For how long at the most a browser may keep this token."""
    owner = select(BrowserSession.user_id).where(BrowserSession.token_hash.in_(hash_token(settings, token)))
    return limits_of_person(tx, settings, tx.scalars(owner).one()).absolute


def live_sessions(tx: Session, settings: Settings, user_id: UUID, now: datetime) -> list[BrowserSession]:
    """A person's sessions that go on, the last used first."""
    limits = limits_of_person(tx, settings, user_id)
    query = select(BrowserSession).where(BrowserSession.user_id == user_id, BrowserSession.ended_at.is_(None))
    rows = tx.scalars(query.order_by(BrowserSession.last_seen_at.desc(), BrowserSession.id.desc()))
    return [row for row in rows if now < limits.end(row)]


def renew_token(tx: Session, settings: Settings, session_id: UUID, authenticated_at: datetime) -> str:
    """Change the token after a re-authentication; returns the new one."""
    session = tx.get_one(BrowserSession, session_id)
    token = secrets.token_urlsafe(32)
    session.token_hash = hash_token(settings, token)[0]
    session.authenticated_at = authenticated_at
    return token


def end_session(tx: Session, session_id: UUID, now: datetime, how: Ending | None = None) -> None:
    """End a session: its next request is signed out, on every worker."""
    session = tx.get_one(BrowserSession, session_id)
    if session.ended_at is None:
        session.ended_at, session.ended_how = now, how
    tx.execute(delete(Draft).where(Draft.session_id == session_id))


def end_every_session(tx: Session, now: datetime) -> int:
    """End everybody's sessions; returns how many there were. A restored backup holds some that had ended."""
    ended = tx.execute(
        update(BrowserSession).where(BrowserSession.ended_at.is_(None)).values(ended_at=now, ended_how="restored")
    )
    tx.execute(delete(Draft))
    return cast(CursorResult[Any], ended).rowcount


def forget_old(tx: Session, settings: Settings, now: datetime) -> int:
    """Delete the sessions that were last seen so long ago that they are of no use; returns how many."""
    before = now - timedelta(days=session_days_kept(settings))
    old = delete(BrowserSession).where(BrowserSession.last_seen_at < before, *unnamed(BrowserSession))
    return cast(CursorResult[Any], tx.execute(old)).rowcount


def recently_authenticated(settings: Settings, session: BrowserSession, now: datetime) -> bool:
    """Whether the person proved who they are within the time that dangerous acts ask for."""
    age = now - session.authenticated_at
    return timedelta(0) <= age <= timedelta(minutes=settings.reauthentication_minutes)


def keep_draft(tx: Session, session_id: UUID, path: str, fields: dict[str, Any], now: datetime) -> UUID:
    """Keep what was typed until the person is back from re-authentication; returns the draft's id.

    A session has so many drafts and no more; the oldest go.
    """
    tx.execute(delete(Draft).where(Draft.created_at < now - DRAFT_LIFETIME))
    mine = select(Draft.id).where(Draft.session_id == session_id).order_by(Draft.created_at.desc(), Draft.id.desc())
    tx.execute(delete(Draft).where(Draft.id.in_(list(tx.scalars(mine.offset(MOST_DRAFTS - 1))))))
    draft = Draft(id=new_id(), session_id=session_id, path=path[:300], fields=fields, created_at=now)
    tx.add(draft)
    return draft.id


def find_draft(tx: Session, session_id: UUID, draft_id: UUID, path: str, now: datetime) -> dict[str, Any] | None:
    """What was typed into the form of this path, if it is this session's and still fresh."""
    draft = tx.get(Draft, draft_id)
    if draft is None or draft.session_id != session_id or draft.path != path:
        return None
    return draft.fields if timedelta(0) <= now - draft.created_at <= DRAFT_LIFETIME else None


BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


def device_name(user_agent: str) -> str:
    """A browser in a few words, such as "Firefox on Linux". The full user agent is not kept."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser
