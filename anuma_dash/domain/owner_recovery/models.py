"""Recoveries and approvals as rows, and how they are found."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, String, UniqueConstraint, and_, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.errors import NotFound
from anuma_dash.identity import Account, lock_account
from anuma_dash.workflows import Durable

UNAPPROVED_LIFETIME = timedelta(days=7)


class OwnerRecovery(Owned, Durable, Base):
    """That staff were asked to make the person with an address an owner.

    `state` is asked (approvals are missing), scheduled (approved by two; `effective_at` is when it comes into effect),
    done, stopped (by somebody of the account, or staff), failed (`outcome` says why).
    """

    __tablename__ = "owner_recoveries"
    __table_args__ = (CheckConstraint("state IN ('asked', 'scheduled', 'done', 'stopped', 'failed')", name="state"),)

    new_owner_email: Mapped[str] = mapped_column(String(320))
    reason: Mapped[str] = mapped_column(String(500))
    ticket: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(16), default="asked")
    asked_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    asked_by_name: Mapped[str] = mapped_column(String(200))
    asked_at: Mapped[datetime]
    effective_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    settled_by_name: Mapped[str] = mapped_column(String(200), default="")
    outcome: Mapped[str] = mapped_column(String(300), default="")


class OwnerRecoveryApproval(Base):
    """One administrator's word for a recovery."""

    __tablename__ = "owner_recovery_approvals"
    __table_args__ = (UniqueConstraint("recovery_id", "approved_by"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    recovery_id: Mapped[UUID] = mapped_column(ForeignKey("owner_recoveries.id"), index=True)
    approved_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    approved_by_name: Mapped[str] = mapped_column(String(200))
    approved_at: Mapped[datetime]


def open_recovery(tx: Session, account_id: UUID, now: datetime) -> OwnerRecovery | None:
    """The account's recovery that may still come into effect, if any. An account has one at most."""
    return tx.scalar(owned(OwnerRecovery, account_id).where(_open(now)))


def open_recoveries(tx: Session, now: datetime) -> list[OwnerRecovery]:
    """Those of every account that may still come into effect, newest first: for staff pages."""
    return list(tx.scalars(select(OwnerRecovery).where(_open(now)).order_by(OwnerRecovery.id.desc())))


def _open(now: datetime) -> ColumnElement[bool]:
    # One that nobody approves in time lapses by the clock alone; its row says so a little later.
    in_time = and_(OwnerRecovery.state == "asked", OwnerRecovery.asked_at >= now - UNAPPROVED_LIFETIME)
    return or_(OwnerRecovery.state == "scheduled", in_time)


def approvals_of(tx: Session, recovery_id: UUID) -> list[OwnerRecoveryApproval]:
    """Who approved a recovery, first the first."""
    query = select(OwnerRecoveryApproval).where(OwnerRecoveryApproval.recovery_id == recovery_id)
    return list(tx.scalars(query.order_by(OwnerRecoveryApproval.id)))


def lock_recovery(tx: Session, recovery_id: UUID) -> tuple[Account, OwnerRecovery]:
    """The account, then the recovery, both locked: in this order everywhere. Raises `NotFound`."""
    account_id = tx.scalar(select(OwnerRecovery.account_id).where(OwnerRecovery.id == recovery_id))
    if account_id is None:
        raise NotFound("There is no such recovery.")
    account = lock_account(tx, account_id)
    row = tx.get_one(OwnerRecovery, recovery_id, with_for_update=True, populate_existing=True)
    return account, row
