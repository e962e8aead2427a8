"""What somebody takes along who leaves: what they did here, and which keys are theirs, without anybody's content."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from anuma_dash.audit import EVENTS, AuditDetail, AuditEntry, Event, record
from anuma_dash.features.people.departures import holdings
from anuma_dash.identity import Actor, Permission, find_account
from anuma_dash.workflows import Context

MOST_ENTRIES = 5000


def export_own(context: Context, actor: Actor, account_id: UUID) -> dict[str, Any]:
    """What the actor did in the account, newest first, and the metadata of their keys; recorded as an act of its own.

    `keys` is null if the gateway does not answer, and `note` says what is left out. Raises `NotAllowed`.
    """
    actor.require(Permission.READ_OWN_ACTIVITY)
    assert actor.user_id is not None
    found = holdings(context, actor, account_id, actor.user_id)
    now = context.clock()
    erased_before = now - timedelta(days=context.settings.activity_detail_days)
    with context.db.transaction(durable=True) as tx:
        account = find_account(tx, account_id)
        rows = tx.execute(
            select(AuditEntry, AuditDetail)
            .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
            .where(AuditEntry.chain == account_id, AuditEntry.actor_id == actor.user_id)
            .order_by(AuditEntry.number.desc())
            .limit(MOST_ENTRIES)
        )
        entries = [_entry(entry, detail if entry.at >= erased_before else None) for entry, detail in rows]
        count = len(found.keys) if found.keys is not None else None
        record(tx, actor, Event.MEMBER_EXPORTED, at=now, account_id=account_id, entries=len(entries), keys=count)
    return {
        "account": {"id": str(account.id), "name": account.name},
        "person": {"id": str(actor.user_id), "name": actor.name},
        "made_at": now.isoformat(),
        "note": _note(found.keys is None, found.more, len(entries)),
        "activity": entries,
        "keys": None if found.keys is None else [key.model_dump(mode="json") for key in found.keys],
    }


def _note(no_gateway: bool, more_keys: bool, entries: int) -> str:
    said = ["Your own acts in this account, and the metadata of your keys: no secrets, no prompts, no responses."]
    if no_gateway:
        said.append("The gateway did not answer, so your keys are missing.")
    if more_keys:
        said.append("You have more keys than are listed here.")
    if entries == MOST_ENTRIES:
        said.append(f"Only the last {MOST_ENTRIES} acts are here.")
    return " ".join(said)


def _entry(entry: AuditEntry, detail: AuditDetail | None) -> dict[str, Any]:
    body = detail.body if detail else {}
    known = EVENTS.get(entry.event)
    return {
        "number": entry.number,
        "at": entry.at.isoformat(),
        "event": entry.event,
        "sentence": known.value.sentence if known else entry.event,
        "address": body.get("address"),
        "fields": body.get("fields"),
    }
