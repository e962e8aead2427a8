"""Who left an account, and what is to become of their keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, Owned, new_id
from anuma_dash.workflows import Durable

Fate = Literal["revoke", "hand_over"]


class Departure(Owned, Durable, Base):
    """That somebody does not belong to the account any more: removed, or gone by themselves.

    That takes effect at once. The row is unfinished while the gateway has not been asked what keys they have, or has
    not confirmed each handing over; revocations are rows of their own. `fate` and `recipient_id` are what was chosen
    for their keys, `exceptions` what was chosen for some: `{key id: recipient id, or null to revoke it}`.
    """

    __tablename__ = "departures"
    __table_args__ = (
        CheckConstraint("kind IN ('removed', 'left')", name="kind"),
        CheckConstraint("fate IN ('revoke', 'hand_over')", name="fate"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    user_name: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(16))
    kind: Mapped[str] = mapped_column(String(16))
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_by_name: Mapped[str] = mapped_column(String(200))
    departed_at: Mapped[datetime]
    fate: Mapped[Fate] = mapped_column(String(16))
    recipient_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    exceptions: Mapped[dict[str, Any]] = mapped_column(JSON)
    settled_at: Mapped[datetime | None]


class DepartureKey(Owned, Base):
    """One key of somebody who left. `confirmed_at` is when the gateway confirmed that it was handed over.

    `note` says why a key was revoked although it was to be handed over.
    """

    __tablename__ = "departure_keys"
    __table_args__ = (UniqueConstraint("departure_id", "key_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    departure_id: Mapped[UUID] = mapped_column(ForeignKey("departures.id"), index=True)
    key_id: Mapped[UUID]
    key_name: Mapped[str] = mapped_column(String(200))
    key_last_four: Mapped[str] = mapped_column(String(8))
    fate: Mapped[Fate] = mapped_column(String(16))
    recipient_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    recipient_name: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(String(300), default="")
    confirmed_at: Mapped[datetime | None]
