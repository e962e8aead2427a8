"""Recording: an event is appended to its account's chain, in the transaction of the change that it tells of."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit.chain import commitment, link_hash
from anuma_dash.audit.entries import (
    GENESIS,
    OBJECT_ID_CHARACTERS,
    SYSTEM_CHAIN,
    AuditDetail,
    AuditEntry,
    AuditHead,
    AuditObject,
)
from anuma_dash.audit.events import OF_SUPPORT_SESSIONS, Event
from anuma_dash.db import LOOKING_ONLY, new_id
from anuma_dash.errors import NotAllowed
from anuma_dash.identity import Account, Actor

PERSON = "person"
CONTROL = "control"
OBJECT_KINDS = {"member": PERSON, "user": PERSON, "staff": PERSON, "gateway_request": "request"}
"""What a field's object is called, where it is not called like its field."""


def is_recorded(tx: Session, event: Event, account_id: UUID, kind: str, object_id: UUID) -> bool:
    """Whether the account's chain has this event about this thing: a form that is sent twice is recorded once."""
    about = AuditObject.kind == kind, AuditObject.object_id == str(object_id), AuditObject.chain == account_id
    found = select(AuditObject.entry_id).join(AuditEntry, AuditEntry.id == AuditObject.entry_id)
    return tx.scalar(found.where(*about, AuditEntry.event == event.value.name).limit(1)) is not None


def record(
    tx: Session,
    actor: Actor,
    event: Event,
    *,
    at: datetime,
    account_id: UUID | None,
    **fields: object,
) -> AuditEntry:
    """Append an event to the account's chain, inside the transaction of the change that it tells of.

    Raises `ValueError` if the fields are not exactly those that the event declares, and `NotAllowed` for a change by
    somebody in a support session, who may only look: with its record, the change is rolled back.
    """
    declared = event.value
    if actor.support_session_id is not None and event not in OF_SUPPORT_SESSIONS:
        raise NotAllowed(LOOKING_ONLY)
    if set(fields) != set(declared.fields):
        raise ValueError(f"{declared.name} bears {sorted(declared.fields)}, not {sorted(fields)}")
    chain = account_id or SYSTEM_CHAIN
    head = _locked_head(tx, chain)
    plain = {name: _plain(value) for name, value in fields.items()}
    body = {"actor": actor.name, "address": actor.address, "fields": plain}
    salt = secrets.token_hex(32)
    entry = AuditEntry(
        id=new_id(),
        chain=chain,
        number=head.number + 1,
        at=at,
        event=declared.name,
        actor_kind=actor.kind,
        actor_id=actor.user_id,
        support_session_id=actor.support_session_id,
        request_id=actor.request_id,
        commitment=commitment(salt, body),
        previous_hash=head.hash,
    )
    entry.hash = link_hash(entry)
    tx.add(entry)
    tx.flush()
    tx.add(AuditDetail(entry_id=entry.id, salt=salt, body=body))
    tx.add_all(
        AuditObject(kind=kind, object_id=object_id, chain=chain, at=at, number=entry.number, entry_id=entry.id)
        for kind, object_id in objects_of(plain)
    )
    head.number, head.hash = entry.number, entry.hash
    return entry


def objects_of(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What an event is about, as (kind, identifier), by its fields: those that end in `_id`, and a control."""
    found = {}
    for name, value in fields.items():
        if not isinstance(value, str) or not 0 < len(value) <= OBJECT_ID_CHARACTERS:
            continue
        if name == CONTROL:
            found[CONTROL, value] = True
        elif name.endswith("_id"):
            kind = name.removesuffix("_id")
            found[OBJECT_KINDS.get(kind, kind), value] = True
    return list(found)


def _locked_head(tx: Session, chain: UUID) -> AuditHead:
    # An account row is the lock of its chain's first entry: two first entries at once must not both be number 1.
    if tx.get(AuditHead, chain) is None:
        tx.scalar(select(Account.id).where(Account.id == chain).with_for_update())
    head = tx.scalar(
        select(AuditHead).where(AuditHead.chain == chain).with_for_update().execution_options(populate_existing=True)
    )
    if head is None:
        head = AuditHead(chain=chain, number=0, hash=GENESIS)
        tx.add(head)
        tx.flush()
    return head


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | list | dict | None) else str(value)


def readable_fields(actor: Actor, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an entry as this actor may read them: in a support session without the tails of keys."""
    return {name: actor.tail(value) if name == "last_four" else value for name, value in fields.items()}
