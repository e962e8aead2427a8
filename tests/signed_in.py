"""A person with an account and a session that has just begun, without having signed in anywhere."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from anuma_dash.db import Database, new_id
from anuma_dash.domain.accounts import create_account
from anuma_dash.identity import OPERATOR, Actor, Role, User
from anuma_dash.settings import Settings
from anuma_dash.web.sessions import Device, start_session


def sign_in_olive(db: Database, settings: Settings, now: datetime) -> tuple[Actor, str]:
    """Olive, the owner of Northwind Labs, and her session's token."""
    with db.transaction(durable=True) as tx:
        user = User(id=new_id(), name="Olive", email=None, time_zone="UTC", created_at=now, attested_age_at=now)
        tx.add(user)
        tx.flush()
        account = create_account(tx, OPERATOR, user, "Northwind Labs", "organization", now)
        token = session_of(tx, settings, user, account.id, now)
        return Actor(kind="user", user_id=user.id, name=user.name, role=Role.OWNER, account_id=account.id), token


def session_of(tx: Session, settings: Settings, user: User, account_id: UUID | None, now: datetime) -> str:
    """The token of a session of this person that has just begun, in which they look at this account."""
    _, token = start_session(
        tx,
        settings,
        user=user,
        account_id=account_id,
        provider="sandbox",
        issuer=settings.sign_in_providers[0].issuer,
        subject=user.name.lower(),
        device=Device("Firefox", "127.0.0.1"),
        authenticated_at=now,
        now=now,
    )
    return token
