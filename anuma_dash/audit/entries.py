"""The rows of the log: entries that nobody changes, the details that may be erased, what an entry is about, heads."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Index, PrimaryKeyConstraint, String, UniqueConstraint, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base

GENESIS = "0" * 64
SYSTEM_CHAIN = UUID(int=0)
"""The chain of events that belong to no account."""
OBJECT_ID_CHARACTERS = 64


class AuditEntry(Base):
    """One link of a chain. It holds no personal detail and is never changed or deleted (the database refuses)."""

    __tablename__ = "audit_entries"
    # One index for each filter of the activity and for two together, each ending in the order of its pages.
    __table_args__ = (
        UniqueConstraint("chain", "number"),
        Index("ix_audit_entries_chain_at", "chain", "at", "number"),
        Index("ix_audit_entries_chain_event", "chain", "event", "at", "number"),
        Index("ix_audit_entries_actor", "actor_id", "chain", "at", "number"),
        Index("ix_audit_entries_actor_event", "actor_id", "chain", "event", "at", "number"),
        Index(
            "ix_audit_entries_staff",
            "chain",
            "at",
            "number",
            sqlite_where=literal_column("actor_kind = 'staff'"),
            postgresql_where=literal_column("actor_kind = 'staff'"),
        ),
        Index(
            "ix_audit_entries_support_session_id",
            "support_session_id",
            "number",
            sqlite_where=literal_column("support_session_id IS NOT NULL"),
            postgresql_where=literal_column("support_session_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain: Mapped[UUID]
    number: Mapped[int]
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(60))
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[UUID | None]
    support_session_id: Mapped[UUID | None]
    request_id: Mapped[str] = mapped_column(String(64))
    commitment: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditDetail(Base):
    """What an entry says, and the salt of its commitment. Erasing this row leaves the chain whole."""

    __tablename__ = "audit_details"

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("audit_entries.id"), primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditObject(Base):
    """A thing that an entry is about, such as a key or a person. It is no part of the chain, and goes with the details.

    `kind` is the name of the event's field without its `_id`; `at` and `number` are the entry's, to find them in order.
    """

    __tablename__ = "audit_objects"
    __table_args__ = (PrimaryKeyConstraint("kind", "object_id", "chain", "at", "number"),)

    kind: Mapped[str] = mapped_column(String(30))
    object_id: Mapped[str] = mapped_column(String(OBJECT_ID_CHARACTERS))
    chain: Mapped[UUID]
    at: Mapped[datetime]
    number: Mapped[int]
    entry_id: Mapped[UUID] = mapped_column(ForeignKey("audit_entries.id"), index=True)


class AuditHead(Base):
    """The end of a chain: its row is locked to append to it."""

    __tablename__ = "audit_heads"

    chain: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
