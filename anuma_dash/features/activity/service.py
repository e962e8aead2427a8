"""The account's audit entries as sentences, and whether their chain holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any
from uuid import UUID

from sqlalchemy import Select, false, or_, select

from anuma_dash import audit
from anuma_dash.audit import EVENTS, AuditDetail, AuditEntry, AuditHead
from anuma_dash.domain.members import member_names
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

TONES = {
    "control.in_effect": "ok",
    "deletion.verified": "ok",
    "key.created": "ok",
    "key.revoked": "ok",
    "deletion.failed": "stop",
    "key.refused": "stop",
    "key.unknown": "wait",
    "control.requested": "info",
    "deletion.requested": "info",
    "key.requested": "info",
    "key.revocation_requested": "info",
}
LONGEST_VERIFIED = 2000
SYSTEM = "system"
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "key": ("Keys", ("key.",)),
    "control": ("Data controls", ("control.",)),
    "deletion": ("Deletions", ("deletion.",)),
    "content": ("Stored content read", ("content.",)),
    "session": ("Signing in and out", ("session.", "user.", "sign_up.")),
    "people": ("Account and people", ("account.", "member.")),
}
"""The kinds of events that the filter knows: label, and how their names begin."""


@dataclass(frozen=True)
class Piece:
    """A part of a sentence: words, or a time."""

    value: str | datetime


@dataclass(frozen=True)
class Line:
    """One entry as it is read. `pieces` is empty where the details were erased; `target` is what it is about."""

    number: int
    at: datetime
    event: str
    tone: str
    actor_name: str
    actor_first: bool
    address: str
    pieces: Sequence[Piece]
    erased: bool
    in_support: bool
    target: tuple[str, str] | None


@dataclass(frozen=True)
class Filters:
    """What is shown: a kind of event, and a person (or the system); empty is everything."""

    what: str = ""
    who: str = ""


def read_activity(
    context: Context, actor: Actor, account_id: UUID, filters: Filters, before: int | None, limit: int
) -> tuple[list[Line], str | None]:
    """A page of the entries that the actor may see, newest first, with the cursor of the next. Raises `NotAllowed`."""
    actor.require(Permission.READ_ACTIVITY, Permission.READ_OWN_ACTIVITY)
    query = _filtered(actor, account_id, filters).limit(limit + 1)
    if before is not None:
        query = query.where(AuditEntry.number < before)
    with context.db.reading() as tx:
        rows = tx.execute(query).all()
    lines = [_line(row[0], row[1]) for row in rows[:limit]]
    return lines, str(lines[-1].number) if len(rows) > limit else None


def _filtered(actor: Actor, account_id: UUID, filters: Filters) -> Select[AuditEntry, AuditDetail]:
    query = (
        select(AuditEntry, AuditDetail)
        .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.chain == account_id)
        .order_by(AuditEntry.number.desc())
    )
    if not actor.may(Permission.READ_ACTIVITY):
        query = query.where(AuditEntry.actor_id == actor.user_id)
    elif filters.who == SYSTEM:
        query = query.where(AuditEntry.actor_id.is_(None))
    elif filters.who:
        query = query.where(AuditEntry.actor_id == _uuid(filters.who))
    if filters.what:
        # A kind that does not exist has no entries: the filter is never silently dropped.
        beginnings = KINDS[filters.what][1] if filters.what in KINDS else ()
        kinds = (AuditEntry.event.startswith(text, autoescape=True) for text in beginnings)
        query = query.where(or_(false(), *kinds))
    return query


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)  # nobody


def _line(entry: AuditEntry, detail: AuditDetail | None) -> Line:
    body = detail.body if detail else {}
    fields = body.get("fields", {})
    event = EVENTS.get(entry.event)
    sentence = event.value.sentence if event else entry.event
    return Line(
        number=entry.number,
        at=entry.at,
        event=entry.event,
        tone=TONES.get(entry.event, ""),
        actor_name=body.get("actor") or ("Anuma" if entry.actor_kind == "worker" else "Somebody"),
        actor_first=not sentence.startswith(("{", "the ", "a ")),
        address=body.get("address", ""),
        pieces=fill(sentence, fields) if detail else [],
        erased=detail is None,
        in_support=entry.support_session_id is not None,
        target=_target(entry.event, fields),
    )


def fill(sentence: str, fields: Mapping[str, Any]) -> list[Piece]:
    """A sentence with its fields filled in. A time in a field (RFC 3339) becomes a time."""
    pieces = []
    for words, name, noun, _ in Formatter().parse(sentence):
        if words:
            pieces.append(Piece(words))
        if name is not None:
            pieces.append(Piece(_value(name, fields.get(name))))
        if noun:
            pieces.append(Piece(f" {noun}{'' if fields.get(name or '') == 1 else 's'}"))
    return pieces


def _value(name: str, value: object) -> str | datetime:
    if value is None:
        return "an unknown number of" if name == "count" else "unknown"
    if name.endswith("_at") and isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _target(event: str, fields: Mapping[str, Any]) -> tuple[str, str] | None:
    for field, kind in (("deletion_id", "deletion"), ("key_id", "key"), ("gateway_request_id", "request")):
        if fields.get(field):
            return kind, str(fields[field])
    if event == "control.tested" and fields.get("request_id"):
        return "request", str(fields["request_id"])
    return ("controls", "") if event.startswith("control.") else None


def people(context: Context, actor: Actor, account_id: UUID) -> list[tuple[str, str]]:
    """Whom the filter offers: members, and the system. Empty for those who see their own acts only."""
    if not actor.may(Permission.READ_ACTIVITY):
        return []
    with context.db.reading() as tx:
        names = member_names(tx, account_id)
    members = sorted(((str(user_id), name) for user_id, name in names.items()), key=lambda pair: pair[1].casefold())
    return [*members, (SYSTEM, "Anuma and its operators")]


def entry_count(context: Context, account_id: UUID) -> int:
    """How many entries the account's chain has, by its head."""
    with context.db.reading() as tx:
        head = tx.get(AuditHead, account_id)
        return head.number if head else 0


@dataclass(frozen=True)
class Check:
    """What is known of the chain. `verification` is None if it is too long to walk while somebody waits."""

    entries: int
    checked_at: datetime
    verification: audit.Verification | None


def verify_activity(context: Context, actor: Actor, account_id: UUID) -> Check:
    """Walk the account's chain from its first entry, if it is short enough. Raises `NotAllowed`."""
    actor.require(Permission.READ_ACTIVITY)
    with context.db.reading() as tx:
        head = tx.get(AuditHead, account_id)
        entries = head.number if head else 0
        found = audit.verify(tx, account_id) if entries <= LONGEST_VERIFIED else None
    return Check(entries, context.clock(), found)
