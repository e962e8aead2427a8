"""Messages as rows: written to an address in the transaction of what caused them, withdrawn, forgotten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import CheckConstraint, CursorResult, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.db import Base, new_id, unnamed
from anuma_dash.identity import User
from anuma_dash.mail.letters import Letter, fill
from anuma_dash.settings import PLAIN_ADDRESS, Settings
from anuma_dash.vault import Sealable, Vault
from anuma_dash.workflows import Durable

LONGEST_ADDRESS = 254
KEPT = timedelta(days=30)
"""For how long the row of a message is kept after it was settled. What it said is destroyed when it is."""

State = Literal["waiting", "sending", "sent", "refused", "expired", "unknown"]


class Mail(Sealable, Durable, Base):
    """A message to one person. What it says is sealed until it is settled, then destroyed; `expires_at` ends its use.

    `state` is waiting, sending (handed to the mail server at this moment), sent (accepted by it), refused (for good),
    expired (not sent in time, or overtaken by another), unknown (handed over, and the answer was lost).
    """

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sending', 'sent', 'refused', 'expired', 'unknown')", name="state"),
    )

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    letter: Mapped[str] = mapped_column(String(40))
    state: Mapped[State] = mapped_column(String(16), default="waiting")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]

    @property
    def secret_owner(self) -> UUID:
        """The person to whom it is sent; the message itself, if it goes to an address that is nobody's here yet."""
        return self.user_id or self.id


def mailable(address: str | None) -> bool:
    """Whether a message can be sent to this address."""
    return address is not None and len(address) <= LONGEST_ADDRESS and PLAIN_ADDRESS.fullmatch(address) is not None


def reachable(user: User) -> bool:
    """Whether a letter may go to a person: it can be sent there, and their provider has verified that it is theirs."""
    return user.email_verified and mailable(user.email)


def write(
    tx: Session,
    settings: Settings,
    user: User,
    letter: Letter,
    values: Mapping[str, str],
    *,
    now: datetime,
    until: datetime,
) -> Mail:
    """Write a message to a person's address, inside the transaction of what caused it; the worker sends it.

    `values` fill the templates, beside `name`. After `until` it is not sent any more. Raises `ValueError` if
    they cannot be reached (ask `reachable` first): nothing goes to an address that a provider merely claims.
    """
    if not reachable(user):
        raise ValueError("this address cannot be mailed to, or is not verified")
    values = {"name": user.name, **values}
    return write_to(tx, settings, str(user.email), letter, values, now=now, until=until, user_id=user.id)


def write_to(
    tx: Session,
    settings: Settings,
    address: str,
    letter: Letter,
    values: Mapping[str, str],
    *,
    now: datetime,
    until: datetime,
    user_id: UUID | None = None,
) -> Mail:
    """Write a message to an address, which may be of somebody who is not known here yet; otherwise like `write`."""
    if not mailable(address):
        raise ValueError("this address cannot be mailed to")
    content = {"to": address, **fill(letter, values)}
    row = Mail(id=new_id(), user_id=user_id, letter=letter.name, state="waiting", created_at=now, expires_at=until)
    row.attempt, row.failures, row.next_try_at = 1, 0, now
    Vault.from_settings(settings).seal(row, json.dumps(content).encode())
    tx.add(row)
    tx.flush()
    return row


def forget_settled(tx: Session, now: datetime) -> int:
    """Delete the rows of messages that were settled long ago and that no other table names; returns how many."""
    old = delete(Mail).where(Mail.settled_at < now - KEPT, *unnamed(Mail))
    return cast(CursorResult[Any], tx.execute(old)).rowcount


def withdraw(tx: Session, mail_id: UUID, now: datetime) -> None:
    """Do not send a message that is of no use any more, unless that has begun."""
    row = tx.scalar(select(Mail).where(Mail.id == mail_id).with_for_update())
    if row is not None and row.state == "waiting":
        settle(row, "expired", now)


def settle(row: Mail, state: State, now: datetime) -> None:
    """End a message in this state and destroy what it said."""
    row.state, row.settled_at = state, now
    row.empty()
    workflows.finish(row)
