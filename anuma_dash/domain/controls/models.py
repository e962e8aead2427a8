"""Requested states as rows, and what this side knows by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, Owned, owned
from anuma_dash.workflows import Durable


class ControlChange(Owned, Durable, Base):
    """One requested state of an account's controls.

    `outcome` is pending, in_effect (the gateway said so), superseded (a later request came before it was
    acknowledged) or overtaken (the gateway holds an epoch that is not ours).
    """

    __tablename__ = "control_changes"
    __table_args__ = (UniqueConstraint("account_id", "epoch"),)

    epoch: Mapped[int]
    control: Mapped[str] = mapped_column(String(30))
    old_enabled: Mapped[bool]
    enabled: Mapped[bool]
    state: Mapped[dict[str, Any]] = mapped_column(JSON)
    disclosure_version: Mapped[int | None]
    disclosure_sha256: Mapped[str | None] = mapped_column(String(64))
    requested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    requested_by_name: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(16), default="pending")
    in_effect_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    kept_at: Mapped[datetime | None]


def latest_change(tx: Session, account_id: UUID) -> ControlChange | None:
    """The account's last requested state."""
    return tx.scalar(owned(ControlChange, account_id).order_by(ControlChange.epoch.desc()).limit(1))


def last_confirmed(tx: Session, account_id: UUID) -> ControlChange | None:
    """The last requested state that the gateway said is in effect."""
    return tx.scalar(
        owned(ControlChange, account_id)
        .where(ControlChange.outcome == "in_effect")
        .order_by(ControlChange.epoch.desc())
        .limit(1)
    )


@dataclass(frozen=True)
class Standing:
    """What this side knows of an account's controls.

    `latest` is the last requested state, `confirmed` the last one that the gateway said is in effect. `unsettled` names
    the controls that were asked to change after it: for these, nobody here knows what the gateway obeys right now.
    `changes` holds the last confirmed change of each control.
    """

    latest: ControlChange | None
    confirmed: ControlChange | None
    unsettled: frozenset[str]
    changes: Mapping[str, ControlChange]

    @property
    def confirmed_epoch(self) -> int:
        """The last confirmed epoch; 0 is the state of a new account."""
        return self.confirmed.epoch if self.confirmed else 0

    @property
    def latest_epoch(self) -> int:
        """The last requested epoch."""
        return self.latest.epoch if self.latest else 0


def standing(tx: Session, account_id: UUID) -> Standing:
    """What this side knows of an account's controls, read in one transaction."""
    latest, confirmed = latest_change(tx, account_id), last_confirmed(tx, account_id)
    later = select(ControlChange.control).where(
        ControlChange.account_id == account_id, ControlChange.epoch > (confirmed.epoch if confirmed else 0)
    )
    settled = (
        select(func.max(ControlChange.epoch))
        .where(ControlChange.account_id == account_id, ControlChange.outcome == "in_effect")
        .group_by(ControlChange.control)
    )
    changes = tx.scalars(owned(ControlChange, account_id).where(ControlChange.epoch.in_(settled)))
    return Standing(
        latest=latest,
        confirmed=confirmed,
        unsettled=frozenset(tx.scalars(later.distinct())),
        changes={change.control: change for change in changes},
    )
