"""What is deleted by itself: invitations and recoveries of owners that are over. The activity keeps that they were."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, and_, delete, or_, select
from sqlalchemy.orm import Session

from anuma_dash.db import unnamed
from anuma_dash.domain.data_register import SETTLED_KEPT
from anuma_dash.domain.invitations import Invitation, InvitationMail
from anuma_dash.domain.owner_recovery import (
    UNAPPROVED_LIFETIME,
    OwnerRecovery,
    OwnerRecoveryApproval,
    end_lapsed,
)
from anuma_dash.identity import lock_account


def forget_old(tx: Session, now: datetime) -> int:
    """End recoveries that nobody approved in time; delete what was over long ago; returns how many rows went."""
    _end_unapproved(tx, now)
    return _forget_invitations(tx, now - SETTLED_KEPT) + _forget_recoveries(tx, now - SETTLED_KEPT)


def _end_unapproved(tx: Session, now: datetime) -> None:
    late = select(OwnerRecovery.account_id).where(
        OwnerRecovery.state == "asked", OwnerRecovery.asked_at < now - UNAPPROVED_LIFETIME
    )
    for account_id in sorted(tx.scalars(late)):
        lock_account(tx, account_id)
        end_lapsed(tx, account_id, now)


def _forget_invitations(tx: Session, before: datetime) -> int:
    lapsed = and_(Invitation.state == "pending", Invitation.expires_at < before)
    over = select(Invitation.id).where(or_(Invitation.settled_at < before, lapsed))
    tx.execute(delete(InvitationMail).where(InvitationMail.invitation_id.in_(over)))
    return _gone(tx.execute(delete(Invitation).where(Invitation.id.in_(over), *unnamed(Invitation))))


def _forget_recoveries(tx: Session, before: datetime) -> int:
    over = select(OwnerRecovery.id).where(OwnerRecovery.settled_at < before)
    tx.execute(delete(OwnerRecoveryApproval).where(OwnerRecoveryApproval.recovery_id.in_(over)))
    return _gone(tx.execute(delete(OwnerRecovery).where(OwnerRecovery.id.in_(over), *unnamed(OwnerRecovery))))


def _gone(result: object) -> int:
    return cast(CursorResult[Any], result).rowcount
