"""Exports of the activity: asked for, listed, downloaded. `export_making.py` makes them.

What a person may read is looked at when they ask, before each stretch, and when they download.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from anuma_dash.audit import AuditHead, Event, record
from anuma_dash.db import id_of, owned
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.features.activity import service
from anuma_dash.features.activity.filters import (
    STAFF,
    SYSTEM,
    Filters,
    parse_filters,
    zone_of,
)
from anuma_dash.features.activity.models import ActivityExport, ActivityExportChunk
from anuma_dash.identity import Actor, Permission, lock_account
from anuma_dash.vault import Vault
from anuma_dash.workflows import Context

FORMATS = {"csv": "CSV", "jsonl": "JSON Lines"}
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
    if filters.who not in ("", STAFF, SYSTEM) and not id_of(filters.who):
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
