"""Trips to a provider as rows: remembered when they begin, used up when they come back."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from anuma_dash.db import new_id
from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.id_tokens import Trip
from anuma_dash.features.sign_in.models import Purpose, SignInAttempt
from anuma_dash.settings import Provider

TRIP_LIFETIME = timedelta(minutes=10)


def begin_trip(
    tx: Session, provider: str, trip: Trip, next_path: str, session_id: UUID | None, purpose: Purpose = "sign_in"
) -> str:
    """Remember a trip; returns the token that binds it to this browser."""
    tx.execute(delete(SignInAttempt).where(SignInAttempt.created_at < trip.began_at - TRIP_LIFETIME))
    token = secrets.token_urlsafe(32)
    tx.add(
        SignInAttempt(
            id=new_id(),
            token_hash=_hash(token),
            provider=provider,
            state=trip.state,
            nonce=trip.nonce,
            verifier=trip.verifier,
            next_path=next_path[:1000],
            session_id=session_id,
            purpose=purpose,
            created_at=trip.began_at,
        )
    )
    return token


def take_trip(tx: Session, provider: str, token: str, now: datetime) -> SignInAttempt:
    """The trip of this browser, which is used up by this. Raises `SignInRefused`."""
    attempt = tx.scalar(select(SignInAttempt).where(SignInAttempt.token_hash == _hash(token)).with_for_update())
    if attempt is None or attempt.provider != provider:
        raise SignInRefused("This sign-in was not begun in this browser, or it was already used.")
    tx.delete(attempt)
    # From the future: the clock was set back, and for how long this trip was good nobody can tell.
    if not timedelta(0) <= now - attempt.created_at <= TRIP_LIFETIME:
        raise SignInRefused("This sign-in took longer than ten minutes.")
    return attempt


def trip_of(attempt: SignInAttempt, provider: Provider) -> Trip:
    """What must come back for this attempt."""
    fresh = attempt.session_id is not None and asks_again(provider, attempt.purpose)
    return Trip(attempt.state, attempt.nonce, attempt.verifier, attempt.created_at, fresh=fresh)


def asks_again(provider: Provider, purpose: Purpose) -> bool:
    """Whether a signed-in person's trip must bring back a fresh `auth_time`.

    To confirm who one is, always. To link, wherever the provider can say it: a session that somebody left open there
    is then not linked by accident.
    """
    return purpose != "link" or provider.sends_auth_time


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
