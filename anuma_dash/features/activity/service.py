"""The account's audit entries as they are read, by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import EVENTS, PERSON, AuditDetail, AuditEntry, AuditHead, objects_of, readable_fields
from anuma_dash.domain import activity_words as words
from anuma_dash.domain.activity_words import Change, Piece
from anuma_dash.domain.members import member_names
from anuma_dash.features.activity.filters import STAFF, SYSTEM, Filters, Position, Selection, newest
from anuma_dash.identity import WORKER, Actor, Permission
from anuma_dash.workflows import Context

TONES = {
    "account.suspended": "stop",
    "account.closing_requested": "stop",
    "account.closed": "stop",
    "person.suspended": "stop",
    "account.unsuspended": "ok",
    "account.closing_undone": "ok",
    "key.activated": "ok",
    "key.activation_requested": "info",
    "control.in_effect": "ok",
    "deletion.verified": "ok",
    "key.created": "ok",
    "key.revoked": "ok",
    "deletion.failed": "stop",
    "owner_recovery.asked": "wait",
    "owner_recovery.scheduled": "wait",
    "key.refused": "stop",
    "passkey.copied": "stop",
    "support.emergency_approved": "stop",
    "session.code_exhausted": "stop",
    "key.unknown": "wait",
    "activity.chain_broken": "stop",
    "control.requested": "info",
    "deletion.requested": "info",
    "key.requested": "info",
    "key.revocation_requested": "info",
    "support.asked": "info",
    "support.emergency_asked": "info",
    "support.granted": "info",
    "support.session_started": "info",
}
KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "key": ("Keys", ("key.",)),
    "app": ("Apps", ("app.",)),
    "control": ("Data controls", ("control.",)),
    "deletion": ("Deletions", ("deletion.",)),
    "content": ("Stored content read", ("content.", "evaluation.")),
    "memory": ("Memories", ("memory.",)),
    "conversation": ("Chat history", ("conversation.",)),
    "session": ("Signing in and out", ("session.", "user.", "sign_up.", "passkey.", "identity.")),
    "support": ("Support access", ("support.",)),
    "profile": ("Profiles", ("profile.",)),
    "people": ("Account and people", ("account.", "member.", "invitation.", "owner_recovery.", "person.")),
    "staff": ("Staff of the service", ("staff.",)),
    "activity": ("Activity: checks, exports, erasing", ("activity.",)),
    "operation": ("Running of the site", ("backup.", "vault.")),
}
"""The kinds of events that the filter knows: label, and how their names begin."""


@dataclass(frozen=True)
class Line:
    """One entry as it is read. Where the details were erased, `kind_label` and `actor_kind` are all that is left.

    `target` is the page that it leads to, `objects` what it is about, both as (kind, identifier).
    """

    number: int
    at: datetime
    event: str
    tone: str
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    actor_first: bool
    address: str
    pieces: Sequence[Piece]
    changes: Sequence[Change]
    erased: bool
    kind_label: str
    staff: bool
    in_support: bool
    target: tuple[str, str] | None
    objects: Sequence[tuple[str, str]]


def read_activity(
    context: Context, actor: Actor, account_id: UUID, filters: Filters, behind: Position | None, limit: int
) -> tuple[list[Line], str | None]:
    """A page of the entries that the actor may see, newest first, with the cursor of the next. Raises `NotAllowed`.

    Nothing is listed while a filter cannot be read.
    """
    actor.require(Permission.READ_ACTIVITY, Permission.READ_OWN_ACTIVITY)
    if filters.problems:
        return [], None
    own_only = None if actor.may(Permission.READ_ACTIVITY) else actor.user_id
    chosen = select_entries(context, account_id, filters, own_only)
    with context.db.reading() as tx:
        rows = tx.execute(newest(chosen, behind, limit + 1)).all()
    lines = [line_of(actor, entry, detail, chosen.erased_before) for entry, detail in rows[:limit]]
    last = rows[limit - 1][0] if len(rows) > limit else None
    return lines, str(Position(last.at, last.number)) if last else None


def select_entries(
    context: Context, account_id: UUID, filters: Filters, own_only: UUID | None, up_to: int | None = None
) -> Selection:
    """What the filters choose of the account's chain; with `own_only`, of this person's acts."""
    days = timedelta(days=context.settings.activity_detail_days)
    events = events_of(filters.what) if filters.what else None
    return Selection(account_id, filters, own_only, events, context.clock() - days, up_to)


def events_of(kind: str) -> list[str]:
    """The events of a kind. A kind that does not exist has none: the filter is never silently dropped."""
    beginnings = KINDS[kind][1] if kind in KINDS else ()
    return [name for name in EVENTS if name.startswith(tuple(beginnings))]


def line_of(actor: Actor, entry: AuditEntry, detail: AuditDetail | None, erased_before: datetime | None) -> Line:
    """An entry as it is read. Past its period its details are as good as erased, before the purge has run too."""
    known = detail is not None and (erased_before is None or entry.at >= erased_before)
    body = detail.body if detail and known else {}
    fields = readable_fields(actor, body.get("fields", {}))
    event = EVENTS.get(entry.event)
    sentence, actor_first = words.begin(event.value.sentence if event else entry.event)
    return Line(
        number=entry.number,
        at=entry.at,
        event=entry.event,
        tone=TONES.get(entry.event, ""),
        actor_kind=entry.actor_kind,
        actor_id=entry.actor_id,
        actor_name=words.actor_name(entry.actor_kind, body.get("actor", "")),
        actor_first=actor_first,
        address=body.get("address", ""),
        pieces=words.fill(sentence, fields) if known else [],
        changes=words.changes_of(fields),
        erased=not known,
        kind_label=kind_label(entry.event),
        staff=entry.actor_kind == "staff" or entry.support_session_id is not None,
        in_support=entry.support_session_id is not None,
        target=words.target_of(entry.event, fields),
        objects=objects_of(fields),
    )


def kind_label(event: str) -> str:
    """The label of the kind that an event is of; its own name if it is of none."""
    return next((label for label, begins in KINDS.values() if event.startswith(begins)), event)


def people(context: Context, actor: Actor, account_id: UUID, chosen: str) -> list[tuple[str, str]]:
    """Whom the filter offers: members, the one who is chosen, staff, the system. Empty for who sees own acts only."""
    if not actor.may(Permission.READ_ACTIVITY):
        return []
    with context.db.reading() as tx:
        names = {str(user_id): name for user_id, name in member_names(tx, account_id).items()}
        if chosen and chosen not in (*names, STAFF, SYSTEM):
            names[chosen] = _name_of(context, tx, account_id, chosen)
    members = sorted(names.items(), key=lambda pair: pair[1].casefold())
    return [*members, (STAFF, "Staff of Anuma"), (SYSTEM, "Anuma and its operators")]


def _name_of(context: Context, tx: Session, account_id: UUID, person: str) -> str:
    # By what the account's own entries say: somebody who never acted here is nobody here.
    chosen = select_entries(context, account_id, Filters(who=person), None)
    for entry, detail in tx.execute(newest(chosen, None, 1)):
        line = line_of(WORKER, entry, detail, chosen.erased_before)
        return "A former member" if line.erased else line.actor_name
    return "Somebody who did nothing here"


def object_label(context: Context, account_id: UUID, thing: tuple[str, str]) -> str:
    """The thing that the list is narrowed to, in words."""
    kind, object_id = thing
    if kind == PERSON:
        with context.db.reading() as tx:
            names = {str(user_id): name for user_id, name in member_names(tx, account_id).items()}
        return f"About {names.get(object_id, 'one person')}"
    return f"Only {object_id}" if kind == "control" else f"Only one {words.object_kind(kind)}"


def entry_count(context: Context, account_id: UUID) -> int:
    """How many entries the account's chain has, by its head."""
    with context.db.reading() as tx:
        return tx.scalar(select(AuditHead.number).where(AuditHead.chain == account_id)) or 0
