"""The entries of the service's own chain, as sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from anuma_dash.audit import EVENTS, SYSTEM_CHAIN, AuditDetail, AuditEntry
from anuma_dash.domain import activity_words as words
from anuma_dash.domain.activity_words import Piece
from anuma_dash.identity import Actor, StaffRole
from anuma_dash.workflows import Context


@dataclass(frozen=True)
class SystemLine:
    """One entry as it is read. `actor` is empty where the sentence begins with something else."""

    number: int
    at: datetime
    actor: str
    pieces: list[Piece]
    address: str
    tone: str


def read_system_activity(
    context: Context, actor: Actor, before: int | None, limit: int
) -> tuple[list[SystemLine], str | None]:
    """A page of what belongs to no account, newest first, with the cursor of the next. Raises `NotAllowed`."""
    actor.require_staff(StaffRole.ADMINISTRATOR)
    query = (
        select(AuditEntry, AuditDetail)
        .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.chain == SYSTEM_CHAIN)
        .order_by(AuditEntry.number.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(AuditEntry.number < before)
    with context.db.reading() as tx:
        rows = tx.execute(query).all()
    erased_before = context.clock() - timedelta(days=context.settings.activity_detail_days)
    lines = [_line(row[0], row[1] if row[0].at >= erased_before else None) for row in rows[:limit]]
    return lines, str(lines[-1].number) if len(rows) > limit else None


def _line(entry: AuditEntry, detail: AuditDetail | None) -> SystemLine:
    tone = "info" if entry.event.startswith("staff.") else ""
    if detail is None:
        return SystemLine(entry.number, entry.at, "", [Piece(f"Details erased ({entry.event})")], "", tone)
    body, event = detail.body, EVENTS.get(entry.event)
    sentence, actor_first = words.begin(event.value.sentence if event else entry.event)
    actor = words.actor_name(entry.actor_kind, body.get("actor", "")) if actor_first else ""
    pieces = words.fill(sentence, body.get("fields", {}))
    return SystemLine(entry.number, entry.at, actor, pieces, body["address"], tone)
