"""Sign-ins and confirmations under way."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, new_id

Purpose = Literal["sign_in", "reauthenticate", "link"]


class SignInAttempt(Base):
    """One trip to a provider, bound to one browser by a cookie, used once and then gone.

    `session_id` is the session that is re-authenticated, or whose person links another provider.
    """

    __tablename__ = "sign_in_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    provider: Mapped[str] = mapped_column(String(31))
    state: Mapped[str] = mapped_column(String(64))
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(128))
    next_path: Mapped[str] = mapped_column(String(1000))
    session_id: Mapped[UUID | None] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"))
    purpose: Mapped[Purpose] = mapped_column(String(16), server_default="sign_in")
    created_at: Mapped[datetime]


class UsedLogoutToken(Base):
    """A logout token that a provider has sent, by the hash of issuer and `jti`: each is good once."""

    __tablename__ = "used_logout_tokens"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    remember_until: Mapped[datetime] = mapped_column(index=True)


class ConfirmationCode(Base):
    """The code that was last mailed for one session: its keyed hash, and how often it was tried in vain."""

    __tablename__ = "confirmation_codes"

    session_id: Mapped[UUID] = mapped_column(ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True)
    mail_id: Mapped[UUID] = mapped_column(ForeignKey("mails.id"))
    code_hash: Mapped[str] = mapped_column(String(64))
    failed_tries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
