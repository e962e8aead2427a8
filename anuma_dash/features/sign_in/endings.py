"""How sessions end: by the person, or by the provider through which they signed in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from anuma_dash.audit import Event, record
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.logout_tokens import ProviderLogout
from anuma_dash.features.sign_in.models import UsedLogoutToken
from anuma_dash.identity import Actor, User
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession


def sign_out(tx: Session, actor: Actor, session: BrowserSession, now: datetime) -> None:
    """End the session of the person who asks for it."""
    sessions.end_session(tx, session.id, now, "signed_out")
    record(tx, actor, Event.SIGNED_OUT, at=now, account_id=session.account_id, session_id=session.id)


def end_for_provider(
    tx: Session, provider: str, logout: ProviderLogout, address: str, request_id: str, now: datetime
) -> int:
    """End every session that the provider means; returns how many. `provider` is its name for people.

    Raises `SignInRefused` if the token was used before.
    """
    tx.execute(delete(UsedLogoutToken).where(UsedLogoutToken.remember_until < now))
    tx.add(UsedLogoutToken(token_hash=logout.token_hash, remember_until=logout.remember_until))
    try:
        tx.flush()
    except IntegrityError:
        raise SignInRefused("The logout token was used before.") from None
    actor = Actor(kind="provider", name=provider, address=address, request_id=request_id)
    found = tx.execute(
        select(BrowserSession, User.name)
        .join(User, User.id == BrowserSession.user_id)
        .where(BrowserSession.ended_at.is_(None), BrowserSession.issuer == logout.issuer, _is_meant(logout))
        # Each account's audit chain is locked in turn: always in the same order.
        .order_by(BrowserSession.account_id, BrowserSession.id)
    ).all()
    for session, name in found:
        sessions.end_session(tx, session.id, now, "provider")
        record(
            tx,
            actor,
            Event.SESSION_ENDED_BY_PROVIDER,
            at=now,
            account_id=session.account_id,
            person=name,
            person_id=session.user_id,
            session_id=session.id,
        )
    return len(found)


def _is_meant(logout: ProviderLogout) -> ColumnElement[bool]:
    person = BrowserSession.subject == logout.subject
    if logout.sid is None:
        return person
    one = BrowserSession.sid == logout.sid
    if logout.subject is None:
        return one
    # A session of whose name at the provider nothing is known may be the one.
    return and_(person, or_(one, BrowserSession.sid.is_(None)))
