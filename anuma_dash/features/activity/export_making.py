"""Making exports: stretch by stretch by the worker, kept sealed for a day, then destroyed."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Row, delete, or_, select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.data_register import EXPORTS_KEPT
from anuma_dash.features.activity import export_rows, service
from anuma_dash.features.activity.filters import (
    Position,
    Selection,
    counted,
    oldest,
    parse_filters,
    zone_of,
)
from anuma_dash.features.activity.models import ActivityExport, ActivityExportChunk
from anuma_dash.identity import Permission, Role, User, memberships_of, permissions_of
from anuma_dash.vault import Vault
from anuma_dash.workflows import Context

STRETCH = 2000


def advance_export(context: Context, export_id: UUID, attempt: int) -> None:
    """Make an export to its end, or destroy one whose day is over. Killed, it goes on behind the last stretch."""
    while _make_stretch(context, export_id, attempt):
        pass


@dataclass(frozen=True)
class _Stretch:
    rows: Sequence[Row[AuditEntry, AuditDetail]]
    text: str
    known: int


def _make_stretch(context: Context, export_id: UUID, attempt: int) -> bool:
    with context.db.reading() as tx:
        export = tx.get(ActivityExport, export_id)
        if export is None or export.attempt != attempt or export.next_try_at is None:
            return False
        preparing = export.state == "preparing"
        refusal = refusal_of(tx, export) if preparing else ""
        made = _read_stretch(context, tx, export) if preparing and not refusal else None
    with context.db.transaction() as tx:
        row = workflows.claim(tx, ActivityExport, export_id, attempt)
        if row is None:
            return False
        if made is None:
            destroy(tx, row, "refused" if refusal else "destroyed", refusal)
            return False
        return _keep(context, tx, row, made)


def _read_stretch(context: Context, tx: Session, export: ActivityExport) -> _Stretch:
    chosen = _selection(context, export)
    known = export.rows_known
    if known is None:
        known = export.up_to if export.whole else tx.scalars(counted(chosen)).one()
    behind = Position.parse(export.position) if export.position else None
    rows = tx.execute(oldest(chosen, behind, STRETCH, by_number=export.whole)).all()
    return _Stretch(rows, _text(tx, export, rows, chosen), known)


def _keep(context: Context, tx: Session, row: ActivityExport, made: _Stretch) -> bool:
    now, count = context.clock(), len(made.rows)
    row.rows_known, row.rows_done = made.known, row.rows_done + count
    if count:
        row.position = str(Position(made.rows[-1][0].at, made.rows[-1][0].number))
    ended = count < STRETCH
    _seal(context, tx, row, made.text + (export_rows.ending(row) if ended else ""))
    if ended:
        workflows.finish(row)
        row.state, row.finished_at, row.expires_at = "ready", now, now + EXPORTS_KEPT
    else:
        row.next_try_at = now + timedelta(seconds=context.settings.worker_lease_seconds)
    return not ended


def _text(tx: Session, export: ActivityExport, rows: Sequence[Row[AuditEntry, AuditDetail]], chosen: Selection) -> str:
    begin = ""
    if not export.position:
        query = select(AuditEntry.hash).where(AuditEntry.chain == export.account_id, AuditEntry.number == export.up_to)
        begin = export_rows.beginning(export, tx.scalars(query).one())
    return begin + export_rows.stretch(export, ((row[0], row[1]) for row in rows), chosen.erased_before)


def _seal(context: Context, tx: Session, row: ActivityExport, text: str) -> None:
    data = text.encode()
    chunk = ActivityExportChunk(id=new_id(), export_id=row.id, number=row.chunks, owner_id=row.requested_by)
    Vault.from_settings(context.settings).seal(chunk, zlib.compress(data, 6))
    tx.add(chunk)
    row.chunks, row.size_bytes = row.chunks + 1, row.size_bytes + len(data)


def _selection(context: Context, export: ActivityExport) -> Selection:
    filters = parse_filters(export.filters, zone_of(export.time_zone))
    own_only = export.requested_by if export.own_only else None
    return service.select_entries(context, export.account_id, filters, own_only, export.up_to)


def refusal_of(tx: Session, export: ActivityExport) -> str:
    """Why the person who asked may not read any more what the export would hold; nothing if they may."""
    user = tx.get_one(User, export.requested_by)
    for account, membership in memberships_of(tx, user.id):
        if account.id == export.account_id and user.status == "active":
            held = permissions_of(account, Role(membership.role))
            if Permission.READ_ACTIVITY in held or (export.own_only and Permission.READ_OWN_ACTIVITY in held):
                return ""
            return "Your role no longer lets you read the account’s activity."
    return "You are not a member of the account any more."


def destroy(tx: Session, row: ActivityExport, state: Literal["refused", "destroyed"], why: str = "") -> None:
    """Destroy an export's file; the record that there was one stays."""
    tx.execute(delete(ActivityExportChunk).where(ActivityExportChunk.export_id == row.id))
    workflows.finish(row)
    row.state, row.last_failure, row.chunks = state, why or None, 0


def make_exports_due(context: Context) -> None:
    """Let exports be destroyed whose day is over, or that wait for it for longer than a day (a clock that jumped)."""
    now: datetime = context.clock()
    with context.db.transaction() as tx:
        rows = tx.scalars(
            select(ActivityExport)
            .where(
                ActivityExport.state == "ready",
                ActivityExport.next_try_at.is_(None),
                or_(ActivityExport.expires_at <= now, ActivityExport.expires_at > now + EXPORTS_KEPT),
            )
            .limit(workflows.BATCH)
            .with_for_update(skip_locked=True)
        )
        for row in rows:
            row.next_try_at = now
