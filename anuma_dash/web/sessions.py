"""Sessions on the server: an opaque token in the browser, its hash here, ended at once when told to.

Idle and absolute limits are settings. The token changes at sign-in and at re-authentication (NIST SP 800-63B-4, 5).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, Database, new_id
from anuma_dash.identity import User
from anuma_dash.settings import Settings

LAST_SEEN_EVERY = timedelta(seconds=60)
DRAFT_LIFETIME = timedelta(minutes=15)


class BrowserSession(Base):
    """One browser in which a person is signed in."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    provider: Mapped[str] = mapped_column(String(31))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))
    device: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    authenticated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


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
    """Where a session lives: the browser in a few words, and the address."""

    name: str
    address: str


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
        device=device.name[:120],
        address=device.address[:64],
        created_at=now,
        last_seen_at=now,
        authenticated_at=authenticated_at,
    )
    tx.add(session)
    tx.flush()
    return session, token


def find_session(tx: Session, settings: Settings, token: str, now: datetime) -> tuple[BrowserSession, User] | None:
    """The live session of a token with its person; None if it ended, expired, or its person is suspended."""
    row = tx.execute(
        select(BrowserSession, User)
        .join(User, User.id == BrowserSession.user_id)
        .where(BrowserSession.token_hash.in_(hash_token(settings, token)))
    ).first()
    if row is None:
        return None
    session, user = row
    alive = (
        session.ended_at is None
        and user.status == "active"
        and now < session.last_seen_at + timedelta(days=settings.session_idle_days)
        and now < session.created_at + timedelta(days=settings.session_absolute_days)
    )
    return (session, user) if alive else None


def note_seen(db: Database, session: BrowserSession, now: datetime) -> None:
    """Note that the session is in use, at most once a minute."""
    if now - session.last_seen_at < LAST_SEEN_EVERY:
        return
    with db.transaction() as tx:
        tx.get_one(BrowserSession, session.id).last_seen_at = now


def renew_token(tx: Session, settings: Settings, session_id: UUID, authenticated_at: datetime) -> str:
    """Change the token after a re-authentication; returns the new one."""
    session = tx.get_one(BrowserSession, session_id)
    token = secrets.token_urlsafe(32)
    session.token_hash = hash_token(settings, token)[0]
    session.authenticated_at = authenticated_at
    return token


def end_session(tx: Session, session_id: UUID, now: datetime) -> None:
    """End a session: its next request is signed out, on every worker."""
    session = tx.get_one(BrowserSession, session_id)
    session.ended_at = session.ended_at or now
    tx.execute(delete(Draft).where(Draft.session_id == session_id))


def recently_authenticated(settings: Settings, session: BrowserSession, now: datetime) -> bool:
    """Whether the person proved who they are within the time that dangerous acts ask for."""
    age = now - session.authenticated_at
    return timedelta(0) <= age <= timedelta(minutes=settings.reauthentication_minutes)


def keep_draft(tx: Session, session_id: UUID, path: str, fields: dict[str, Any], now: datetime) -> UUID:
    """Keep what was typed until the person is back from re-authentication; returns the draft's id."""
    tx.execute(delete(Draft).where(Draft.created_at < now - DRAFT_LIFETIME))
    draft = Draft(id=new_id(), session_id=session_id, path=path[:300], fields=fields, created_at=now)
    tx.add(draft)
    return draft.id


def find_draft(tx: Session, session_id: UUID, draft_id: UUID, path: str, now: datetime) -> dict[str, Any] | None:
    """What was typed into the form of this path, if it is this session's and still fresh."""
    draft = tx.get(Draft, draft_id)
    if draft is None or draft.session_id != session_id or draft.path != path:
        return None
    return draft.fields if now - draft.created_at <= DRAFT_LIFETIME else None


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
