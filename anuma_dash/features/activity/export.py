"""Exports of the activity: asked for, made stretch by stretch by the worker, kept sealed for a day, then destroyed.

What a person may read is looked at when they ask, before each stretch, and when they download.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import Row, Select, delete, or_, select
from sqlalchemy.orm import Session

from anuma_dash import workflows
from anuma_dash.audit import AuditDetail, AuditEntry, AuditHead, Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.data_register import EXPORTS_KEPT
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.features.activity import export_rows, service
from anuma_dash.features.activity.filters import (
    STAFF,
    SYSTEM,
    Filters,
    Position,
    Selection,
    counted,
    is_uuid,
    oldest,
    parse_filters,
    zone_of,
)
from anuma_dash.features.activity.models import ActivityExport, ActivityExportChunk
from anuma_dash.identity import Actor, Permission, Role, User, lock_account, memberships_of, permissions_of
from anuma_dash.vault import Vault
from anuma_dash.workflows import Context

FORMATS = {"csv": "CSV", "jsonl": "JSON Lines"}
STRETCH = 2000
MOST_AT_ONCE = 3
LISTED = 20
EVERYTHING = Permission.READ_ACTIVITY


def request_export(
    context: Context,
    actor: Actor,
    account_id: UUID,
    format: str,
    filters: dict[str, str],
    time_zone: str,
    *,
    token: UUID,
) -> ActivityExport:
    """Ask for an export of what the filters choose and the actor may read; the worker makes it.

    `filters` are the words of the address; `token` comes from the form, so that sending it twice exports once. Raises
    `NotAllowed`, `Invalid`, and `Conflict` if too many are being made.
    """
    _refuse_others_than_people(actor)
    actor.require(EVERYTHING, Permission.READ_OWN_ACTIVITY)
    if format not in FORMATS:
        raise Invalid("Choose CSV or JSON Lines.", field="format")
    _refuse_unknown(parse_filters(filters, zone_of(time_zone)))
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        lock_account(tx, account_id)
        existing = tx.get(ActivityExport, token)
        if existing is not None:
            return find_export(tx, actor, account_id, token)
        waiting = tx.scalars(_of(actor, account_id).where(ActivityExport.state == "preparing")).all()
        if len(waiting) >= MOST_AT_ONCE:
            raise Conflict(f"{MOST_AT_ONCE} of your exports are being made already. Wait until one is ready.")
        export = ActivityExport(
            id=token,
            account_id=account_id,
            requested_by=actor.user_id,
            requested_at=now,
            format=format,
            filters=filters,
            time_zone=zone_of(time_zone).key,
            own_only=not actor.may(EVERYTHING),
            attempt=1,
            next_try_at=now,
        )
        record(
            tx,
            actor,
            Event.ACTIVITY_EXPORT_REQUESTED,
            at=now,
            account_id=account_id,
            format=FORMATS[format],
            export_id=token,
        )
        export.up_to = tx.get_one(AuditHead, account_id).number
        tx.add(export)
    return export


def _refuse_others_than_people(actor: Actor) -> None:
    if actor.kind != "user" or actor.support_session_id is not None:
        raise NotAllowed("Exports are made for members of the account alone, never for staff.")


def _refuse_unknown(filters: Filters) -> None:
    # They are kept with the export, so nothing is taken that is no filter.
    problems = dict(filters.problems)
    if filters.what and filters.what not in service.KINDS:
        problems["what"] = "There is no such kind of entries."
    if filters.who not in ("", STAFF, SYSTEM) and not is_uuid(filters.who):
        problems["who"] = "The address names a person in a way that cannot be read."
    for name, problem in problems.items():
        raise Invalid(problem, field=name)


def _of(actor: Actor, account_id: UUID) -> Select[ActivityExport]:
    return owned(ActivityExport, account_id).where(ActivityExport.requested_by == actor.user_id)


def list_exports(context: Context, actor: Actor, account_id: UUID) -> list[ActivityExport]:
    """The actor's own exports, newest first."""
    with context.db.reading() as tx:
        return list(tx.scalars(_of(actor, account_id).order_by(ActivityExport.id.desc()).limit(LISTED)))


def find_export(tx: Session, actor: Actor, account_id: UUID, export_id: UUID) -> ActivityExport:
    """One export that the actor asked for; others' do not exist. Raises `NotFound`."""
    export = tx.scalar(_of(actor, account_id).where(ActivityExport.id == export_id))
    if export is None:
        raise NotFound("There is no such export.")
    return export


def read_export(context: Context, actor: Actor, account_id: UUID, export_id: UUID) -> ActivityExport:
    """One export, as it stands. Raises `NotFound`."""
    with context.db.reading() as tx:
        return find_export(tx, actor, account_id, export_id)


def download_export(
    context: Context, actor: Actor, account_id: UUID, export_id: UUID
) -> tuple[ActivityExport, Iterator[bytes]]:
    """The file of an export, chunk by chunk, once the download is recorded.

    Raises `NotFound` for others' exports, `NotAllowed` if the actor may no longer read what is in it, and `Conflict` if
    it is not ready, or no more.
    """
    _refuse_others_than_people(actor)
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        export = find_export(tx, actor, account_id, export_id)
        actor.require(*([Permission.READ_OWN_ACTIVITY, EVERYTHING] if export.own_only else [EVERYTHING]))
        if export.state == "preparing":
            raise Conflict("This export is not ready yet.")
        if export.state != "ready" or export.expires_at is None or export.expires_at <= now:
            raise Conflict("This export was destroyed, or refused. Ask for a new one.")
        record(
            tx,
            actor,
            Event.ACTIVITY_EXPORT_DOWNLOADED,
            at=now,
            account_id=account_id,
            format=FORMATS[export.format],
            export_id=export.id,
            count=export.rows_done,
        )
    return export, _file(context, export)


def _file(context: Context, export: ActivityExport) -> Iterator[bytes]:
    vault = Vault.from_settings(context.settings)
    for number in range(export.chunks):
        with context.db.reading() as tx:
            chunk = tx.scalars(
                select(ActivityExportChunk).where(
                    ActivityExportChunk.export_id == export.id, ActivityExportChunk.number == number
                )
            ).one()
        yield zlib.decompress(vault.open(chunk))


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
            if EVERYTHING in held or (export.own_only and Permission.READ_OWN_ACTIVITY in held):
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
