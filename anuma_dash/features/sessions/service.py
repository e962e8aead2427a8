"""A person's sessions as the page shows them, and ending them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.errors import NotFound
from anuma_dash.identity import Actor, User
from anuma_dash.settings import Settings
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession, Limits

ENDED_SHOWN_FOR = timedelta(days=30)
MOST_ENDED = 10
MOST_LOOKED_AT = 100
HOW = {
    "signed_out": "You signed out",
    "elsewhere": "You ended it from another session",
    "provider": "{provider} reported that you signed out there",
    "disconnected": "You disconnected {provider}",
    "restored": "A backup of Anuma was restored",
    None: "Anuma ended it",
}
"""How a session was ended, for people to read."""


@dataclass(frozen=True)
class SessionRow:
    """One session. `idle_end` and `absolute_end` are when it ends by itself; of one that has ended, `ended_at` when."""

    id: UUID
    device: str
    address: str
    place: str
    provider: str
    current: bool
    created_at: datetime
    last_seen_at: datetime
    idle_end: datetime
    absolute_end: datetime
    ended_at: datetime | None = None
    how: str = ""

    @property
    def end(self) -> datetime:
        """When it ends by itself."""
        return min(self.idle_end, self.absolute_end)


def live_rows(
    tx: Session, settings: Settings, user_id: UUID, session_id: UUID | None, now: datetime
) -> list[SessionRow]:
    """The sessions of a person that go on: the one with this id first, then the last used."""
    limits = sessions.limits_of_person(tx, settings, user_id)
    rows = [_row(settings, limits, one, session_id) for one in sessions.live_sessions(tx, settings, user_id, now)]
    return sorted(rows, key=lambda row: not row.current)


def ended_rows(tx: Session, settings: Settings, user_id: UUID, now: datetime) -> list[SessionRow]:
    """The last sessions of a person that have ended, the last ended first."""
    limits, since = sessions.limits_of_person(tx, settings, user_id), now - ENDED_SHOWN_FOR
    query = select(BrowserSession).where(
        BrowserSession.user_id == user_id, BrowserSession.last_seen_at > since - limits.idle
    )
    found = tx.scalars(query.order_by(BrowserSession.last_seen_at.desc()).limit(MOST_LOOKED_AT))
    rows = [_ended(settings, limits, one) for one in found if one.ended_at or limits.end(one) <= now]
    recent = [row for row in rows if row.ended_at and row.ended_at > since]
    return sorted(recent, key=lambda row: row.ended_at or now, reverse=True)[:MOST_ENDED]


def _row(
    settings: Settings, limits: Limits, one: BrowserSession, session_id: UUID | None, **more: object
) -> SessionRow:
    return SessionRow(
        id=one.id,
        device=one.device,
        address=one.address,
        place=one.place,
        provider=settings.provider_label(one.provider),
        current=one.id == session_id,
        created_at=one.created_at,
        last_seen_at=one.last_seen_at,
        idle_end=limits.idle_end(one),
        absolute_end=limits.absolute_end(one),
        **more,  # type: ignore[arg-type]
    )


def _ended(settings: Settings, limits: Limits, one: BrowserSession) -> SessionRow:
    if one.ended_at is not None:
        how = HOW[one.ended_how].format(provider=settings.provider_label(one.provider))
    else:
        idle = limits.idle_end(one) <= limits.absolute_end(one)
        how = "It was not used for too long" if idle else "It reached the longest time that a session lasts"
    return _row(settings, limits, one, None, ended_at=one.ended_at or limits.end(one), how=how)


def find_row(
    tx: Session, settings: Settings, user_id: UUID, session_id: UUID, current_id: UUID | None, now: datetime
) -> SessionRow:
    """One of a person's sessions, whether it goes on or has ended. Raises `NotFound`; another person's is not there."""
    one = _own(tx, user_id, session_id)
    limits = sessions.limits_of_person(tx, settings, user_id)
    if one.ended_at or limits.end(one) <= now:
        return _ended(settings, limits, one)
    return _row(settings, limits, one, current_id)


def _own(tx: Session, user_id: UUID, session_id: UUID) -> BrowserSession:
    query = select(BrowserSession).where(BrowserSession.user_id == user_id, BrowserSession.id == session_id)
    found = tx.scalar(query)
    if found is None:
        raise NotFound("There is no such session.")
    return found


def end_session(
    tx: Session, settings: Settings, actor: Actor, user_id: UUID, session_id: UUID, now: datetime
) -> SessionRow:
    """End one of a person's sessions; one that has ended stays as it is. Raises `NotFound`."""
    _lock_person(tx, user_id)
    before = find_row(tx, settings, user_id, session_id, actor.session_id, now)
    if before.ended_at is None:
        sessions.end_session(tx, session_id, now, "elsewhere")
        record(
            tx,
            actor,
            Event.SESSION_ENDED,
            at=now,
            account_id=actor.account_id,
            device=before.device,
            session_id=session_id,
        )
    return find_row(tx, settings, user_id, session_id, actor.session_id, now)


def end_other_sessions(tx: Session, settings: Settings, actor: Actor, user_id: UUID, now: datetime) -> int:
    """End every session of a person but the one in which they ask; returns how many there were."""
    _lock_person(tx, user_id)
    others = [one for one in sessions.live_sessions(tx, settings, user_id, now) if one.id != actor.session_id]
    for one in others:
        sessions.end_session(tx, one.id, now, "elsewhere")
    if others:
        record(tx, actor, Event.OTHER_SESSIONS_ENDED, at=now, account_id=actor.account_id, count=len(others))
    return len(others)


def _lock_person(tx: Session, user_id: UUID) -> None:
    # Two windows that end the same sessions at once record it once.
    tx.scalar(select(User.id).where(User.id == user_id).with_for_update())
