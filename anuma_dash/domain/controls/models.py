"""Requested states as rows, and what this side knows by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.domain.controls.scopes import Aspect, Scope
from anuma_dash.workflows import Durable


class ControlChange(Owned, Durable, Base):
    """One requested state of an account's controls, and what in it was changed: an aspect of a control at a level.

    `outcome` is pending, in_effect (the gateway said so), superseded (a later request came before it was
    acknowledged) or overtaken (the gateway holds an epoch that is not ours). `old_value` and `new_value` are words;
    `target_name` is the name that the app or key had then.
    """

    __tablename__ = "control_changes"
    __table_args__ = (UniqueConstraint("account_id", "epoch"),)

    epoch: Mapped[int]
    control: Mapped[str] = mapped_column(String(30))
    level: Mapped[str] = mapped_column(String(10), default="account")
    target_id: Mapped[UUID | None]
    target_name: Mapped[str] = mapped_column(String(100), default="")
    aspect: Mapped[str] = mapped_column(String(10), default="switch")
    old_value: Mapped[str] = mapped_column(String(30))
    new_value: Mapped[str] = mapped_column(String(30))
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

    @property
    def scope(self) -> Scope:
        """Whom it is about."""
        return Scope(cast(Any, self.control), cast(Any, self.level or "account"), self.target_id)


class DisclosureAcceptance(Owned, Base):
    """That somebody accepted a newer text of a control that is on, without switching anything."""

    __tablename__ = "disclosure_acceptances"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    control: Mapped[str] = mapped_column(String(30))
    level: Mapped[str] = mapped_column(String(10))
    target_id: Mapped[UUID | None]
    disclosure_version: Mapped[int]
    disclosure_sha256: Mapped[str] = mapped_column(String(64))
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    accepted_by_name: Mapped[str] = mapped_column(String(200))
    accepted_at: Mapped[datetime]


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
    what was asked to change after it: of this, nobody here knows what the gateway obeys right now. `changes` holds the
    last confirmed change of each switch.
    """

    latest: ControlChange | None
    confirmed: ControlChange | None
    unsettled: frozenset[tuple[Scope, Aspect]]
    changes: Mapping[Scope, ControlChange]

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
    row = ControlChange
    later = select(row.control, row.level, row.target_id, row.aspect).where(
        row.account_id == account_id, row.epoch > (confirmed.epoch if confirmed else 0)
    )
    settled = (
        select(func.max(row.epoch))
        .where(row.account_id == account_id, row.outcome == "in_effect", row.aspect == "switch")
        .group_by(row.control, row.level, row.target_id)
    )
    changes = tx.scalars(owned(row, account_id).where(row.epoch.in_(settled)))
    return Standing(
        latest=latest,
        confirmed=confirmed,
        unsettled=frozenset(
            (Scope(cast(Any, control), cast(Any, level), target_id), cast(Any, aspect))
            for control, level, target_id, aspect in tx.execute(later.distinct())
        ),
        changes={change.scope: change for change in changes},
    )
