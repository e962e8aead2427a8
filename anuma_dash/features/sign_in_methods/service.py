"""The providers that a person has linked, and unlinking one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.errors import Conflict, NotFound
from anuma_dash.identity import Actor, SignInIdentity, User
from anuma_dash.settings import Provider, Settings
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession


@dataclass(frozen=True)
class LinkedProvider:
    """One sign-in of a person. `current` says that this session began with it, `live_sessions` how many did."""

    id: UUID
    slug: str
    label: str
    address: str
    created_at: datetime
    last_sign_in_at: datetime | None
    current: bool
    removable: bool
    live_sessions: int


def linked_providers(tx: Session, settings: Settings, session: BrowserSession, now: datetime) -> list[LinkedProvider]:
    """The person's sign-ins, oldest first."""
    rows = _identities(tx, session.user_id)
    return [
        LinkedProvider(
            id=row.id,
            slug=row.provider,
            label=label_of(settings, row),
            address=str(row.claims.get("email") or ""),
            created_at=row.created_at,
            last_sign_in_at=row.last_sign_in_at,
            current=(row.issuer, row.subject) == (session.issuer, session.subject),
            removable=_leaves_a_way(settings, rows, row),
            live_sessions=len(_live_sessions(tx, settings, row, now)),
        )
        for row in rows
    ]


def linkable_providers(tx: Session, settings: Settings, user_id: UUID) -> list[Provider]:
    """The configured providers at which the person has linked no sign-in."""
    issuers = {row.issuer for row in _identities(tx, user_id)}
    return [provider for provider in settings.sign_in_providers if provider.issuer not in issuers]


def find_linked(
    tx: Session, settings: Settings, session: BrowserSession, identity_id: UUID, now: datetime
) -> LinkedProvider:
    """One of the person's sign-ins. Raises `NotFound`; another person's does not exist."""
    for one in linked_providers(tx, settings, session, now):
        if one.id == identity_id:
            return one
    raise NotFound("There is no such sign-in.")


def label_of(settings: Settings, row: SignInIdentity) -> str:
    """What the provider of a sign-in is called; its short name if it is not configured any more."""
    labels = {provider.issuer: provider.label for provider in settings.sign_in_providers}
    return labels.get(row.issuer, row.provider)


def unlink(tx: Session, settings: Settings, actor: Actor, user_id: UUID, identity_id: UUID, now: datetime) -> int:
    """Forget one of a person's sign-ins and end the sessions that began with it; returns how many those were.

    Raises `NotFound`, and `Conflict` if no sign-in at a configured provider would be left.
    """
    # The person's row is the lock: two windows must not take away the last two.
    tx.scalar(select(User.id).where(User.id == user_id).with_for_update())
    rows = _identities(tx, user_id)
    row = next((one for one in rows if one.id == identity_id), None)
    if row is None:
        raise NotFound("There is no such sign-in.")
    if not _leaves_a_way(settings, rows, row):
        raise Conflict("This is your only way to sign in. Connect another provider first.")
    tx.delete(row)
    # First the row, which a sign-in under way holds locked: its session is then among those that end.
    tx.flush()
    live = _live_sessions(tx, settings, row, now)
    for session in live:
        sessions.end_session(tx, session.id, now, "disconnected")
    record(
        tx,
        actor,
        Event.IDENTITY_UNLINKED,
        at=now,
        account_id=actor.account_id,
        provider=label_of(settings, row),
        count=len(live),
    )
    return len(live)


def _identities(tx: Session, user_id: UUID) -> list[SignInIdentity]:
    query = select(SignInIdentity).where(SignInIdentity.user_id == user_id)
    return list(tx.scalars(query.order_by(SignInIdentity.created_at, SignInIdentity.id)))


def _leaves_a_way(settings: Settings, rows: Sequence[SignInIdentity], removed: SignInIdentity) -> bool:
    configured = {provider.issuer for provider in settings.sign_in_providers}
    return any(row.id != removed.id and row.issuer in configured for row in rows)


def _live_sessions(tx: Session, settings: Settings, row: SignInIdentity, now: datetime) -> list[BrowserSession]:
    live = sessions.live_sessions(tx, settings, row.user_id, now)
    return [session for session in live if (session.issuer, session.subject) == (row.issuer, row.subject)]
