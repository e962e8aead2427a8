"""Erasing what entries say when it is past its period (`ANUMA_ACTIVITY_DETAIL_DAYS`). The entries themselves stay.

Once a day a row asks for it; the worker erases batch by batch, each with the entry that counts it, in one transaction.
Killed at any point, it goes on with what is left.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import PERSONAL_LINK, SYSTEM_CHAIN, AuditDetail, AuditEntry, AuditObject, Event, record
from anuma_dash.features.activity.models import DetailExpiry
from anuma_dash.identity import WORKER
from anuma_dash.workflows import Context

BATCH = 500
MARGIN = timedelta(days=1)
"""By how much the time in an identifier may differ from the time of its entry, when clocks disagree."""
KEPT = Event.ACTIVITY_DETAILS_EXPIRED.value.name
"""What this says of itself holds nothing personal, and is kept: or each count would be counted in its turn."""


def make_expiry_due(context: Context) -> None:
    """Ask for today's erasing, if anything is past its period."""
    now = context.clock()
    today = UUID(int=now.toordinal())
    with context.db.transaction() as tx:
        if tx.get(DetailExpiry, today) is None and _oldest_expired(tx, _cutoff(context)) is not None:
            tx.add(DetailExpiry(id=today, requested_at=now, attempt=1, next_try_at=now))


def expire_details(context: Context, expiry_id: UUID, attempt: int) -> None:
    """Erase what is past its period, batch by batch, until nothing is."""
    while _expire_batch(context, expiry_id, attempt):
        pass


def _cutoff(context: Context) -> datetime:
    return context.clock() - timedelta(days=context.settings.activity_detail_days)


def _oldest_expired(tx: Session, cutoff: datetime) -> UUID | None:
    # Identifiers begin with their time (UUIDv7), so those that still have details are found without walking the others.
    milliseconds = int((cutoff + MARGIN).timestamp() * 1000)
    return tx.scalar(
        select(AuditEntry.chain)
        .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditDetail.entry_id < UUID(int=milliseconds << 80), AuditEntry.at < cutoff, AuditEntry.event != KEPT)
        .order_by(AuditDetail.entry_id)
        .limit(1)
    )


def _expire_batch(context: Context, expiry_id: UUID, attempt: int) -> bool:
    now, cutoff = context.clock(), _cutoff(context)
    with context.db.transaction() as tx:
        row = workflows.claim(tx, DetailExpiry, expiry_id, attempt)
        if row is None:
            return False
        chain = _oldest_expired(tx, cutoff)
        if chain is None:
            workflows.finish(row)
            row.finished_at = now
            return False
        ids = list(
            tx.scalars(
                select(AuditEntry.id)
                .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
                .where(AuditEntry.chain == chain, AuditEntry.at < cutoff, AuditEntry.event != KEPT)
                .order_by(AuditEntry.at)
                .limit(BATCH)
            )
        )
        tx.execute(delete(AuditDetail).where(AuditDetail.entry_id.in_(ids)))
        tx.execute(delete(AuditObject).where(AuditObject.entry_id.in_(ids), PERSONAL_LINK))
        record(
            tx,
            WORKER,
            Event.ACTIVITY_DETAILS_EXPIRED,
            at=now,
            account_id=None if chain == SYSTEM_CHAIN else chain,
            count=len(ids),
            days=context.settings.activity_detail_days,
        )
        row.erased += len(ids)
        row.next_try_at = now + timedelta(seconds=context.settings.worker_lease_seconds)
        return True
