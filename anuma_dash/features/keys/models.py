"""The keys that were asked for of the gateway. The keys themselves live there alone; no secret is ever in a table."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, Owned
from anuma_dash.workflows import Durable

Outcome = Literal["pending", "done", "refused", "unknown", "withdrawn"]


class KeyIntent(Owned, Durable, Base):
    """That somebody asked for a key. Its id is the form's token and the idempotency key at the gateway.

    Without `app_id` it is for the default app; `stricter` names the controls that it switches off for itself.
    `outcome` is pending, done (made, its secret shown once), refused, unknown (no answer: the worker finds out), or
    withdrawn (nobody has seen the secret, and the gateway confirmed that the key is revoked).
    """

    __tablename__ = "key_intents"
    __table_args__ = (
        CheckConstraint("outcome IN ('pending', 'done', 'refused', 'unknown', 'withdrawn')", name="outcome"),
    )

    name: Mapped[str] = mapped_column(String(100))
    environment: Mapped[str] = mapped_column(String(8))
    app_id: Mapped[UUID | None]
    stricter: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    expires_at: Mapped[datetime | None]
    created_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    requested_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16), default="pending")
    reason: Mapped[str | None] = mapped_column(String(300))
    key_id: Mapped[UUID | None] = mapped_column(index=True)
    last_four: Mapped[str | None] = mapped_column(String(4))
    settled_at: Mapped[datetime | None]
