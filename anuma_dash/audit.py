"""The audit log: typed events, one chain an account, personal details that can be erased without breaking it.

An entry's commitment is the SHA-256 of a random salt and the canonical JSON of everything the event says. The chain
runs over commitments, so the details (with their salt) may be erased, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash.db import Base, new_id
from anuma_dash.identity import Account, Actor

GENESIS = "0" * 64
SYSTEM_CHAIN = UUID(int=0)
"""The chain of events that belong to no account."""


@dataclass(frozen=True)
class Declared:
    """An event's stable name, the sentence for people, and the fields that it must bear - these and no others.

    In the sentence `{count:stored request}` stands for the number with its noun, in the right number.
    """

    name: str
    sentence: str
    fields: tuple[str, ...] = ()


class Event(Enum):
    """Everything that is recorded. The sentences are read on the activity page behind the actor's name."""

    USER_CREATED = Declared("user.created", "created their user through {provider}", ("provider", "notices"))
    SIGNED_IN = Declared("session.started", "signed in through {provider}", ("provider", "session_id"))
    SIGNED_OUT = Declared("session.ended", "signed out", ("session_id",))
    REAUTHENTICATED = Declared("session.reauthenticated", "confirmed who they are through {provider}", ("provider",))
    SIGN_UP_REQUESTED = Declared("sign_up.requested", "asked to be let in", ("provider",))
    SIGN_UP_DECIDED = Declared("sign_up.decided", "{decision} a request to be let in", ("decision",))
    ACCOUNT_CREATED = Declared("account.created", "created the account {name}", ("name", "kind"))
    MEMBER_ADDED = Declared("member.added", "made {member} {role}", ("member", "member_id", "role"))
    KEY_REQUESTED = Declared("key.requested", "asked for the key {name}", ("name", "environment", "intent_id"))
    KEY_CREATED = Declared("key.created", "created the key {name} (…{last_four})", ("name", "key_id", "last_four"))
    KEY_REFUSED = Declared("key.refused", "was refused the key {name}: {reason}", ("name", "intent_id", "reason"))
    KEY_UNKNOWN = Declared(
        "key.unknown", "asked for the key {name}; the gateway has not answered", ("name", "intent_id")
    )
    KEY_WITHDRAWN = Declared(
        "key.withdrawn",
        "withdrew the key {name}, whose secret nobody has seen",
        ("name", "key_id", "intent_id"),
    )
    KEY_REVOCATION_REQUESTED = Declared(
        "key.revocation_requested", "asked to revoke the key {name} (…{last_four})", ("name", "key_id", "last_four")
    )
    KEY_REVOKED = Declared(
        "key.revoked",
        "revoked the key {name} (…{last_four}), in effect {in_effect_at}",
        ("name", "key_id", "last_four", "in_effect_at"),
    )
    CONTROL_REQUESTED = Declared(
        "control.requested",
        "asked to change {control} from {old} to {new} (settings version {epoch})",
        ("control", "old", "new", "epoch", "disclosure_version", "disclosure_sha256"),
    )
    CONTROL_IN_EFFECT = Declared(
        "control.in_effect",
        "{control} is {new}, confirmed by the gateway (settings version {epoch})",
        ("control", "new", "epoch", "in_effect_at"),
    )
    CONTROL_SUPERSEDED = Declared(
        "control.superseded",
        "the change of {control} to {new} was overtaken by a later one (settings version {epoch})",
        ("control", "new", "epoch"),
    )
    STORED_ITEMS_KEPT = Declared(
        "control.stored_items_kept", "chose to keep {count:stored request}", ("control", "count")
    )
    CONTROL_TESTED = Declared(
        "control.tested", "tested {control}: {result}", ("control", "result", "request_id", "epoch")
    )
    CONTENT_READ = Declared("content.read", "opened the stored content of a request", ("gateway_request_id",))
    DELETION_REQUESTED = Declared(
        "deletion.requested", "asked to delete {count:stored request}", ("deletion_id", "category", "count")
    )
    DELETION_VERIFIED = Declared(
        "deletion.verified", "deleted {count:stored request}, verified", ("deletion_id", "category", "count")
    )
    DELETION_FAILED = Declared("deletion.failed", "a deletion failed: {reason}", ("deletion_id", "category", "reason"))


EVENTS: Mapping[str, Event] = {event.value.name: event for event in Event}


class AuditEntry(Base):
    """One link of a chain. It holds no personal detail and is never changed or deleted (the database refuses)."""

    __tablename__ = "audit_entries"
    __table_args__ = (UniqueConstraint("chain", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    chain: Mapped[UUID]
    number: Mapped[int]
    at: Mapped[datetime]
    event: Mapped[str] = mapped_column(String(60), index=True)
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[UUID | None] = mapped_column(index=True)
    support_session_id: Mapped[UUID | None]
    request_id: Mapped[str] = mapped_column(String(64))
    commitment: Mapped[str] = mapped_column(String(64))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditDetail(Base):
    """What an entry says, and the salt of its commitment. Erasing this row leaves the chain whole."""

    __tablename__ = "audit_details"

    entry_id: Mapped[UUID] = mapped_column(ForeignKey("audit_entries.id"), primary_key=True)
    salt: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class AuditHead(Base):
    """The end of a chain: its row is locked to append to it."""

    __tablename__ = "audit_heads"

    chain: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))


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

    Raises `ValueError` if the fields are not exactly those that the event declares.
    """
    declared = event.value
    if set(fields) != set(declared.fields):
        raise ValueError(f"{declared.name} bears {sorted(declared.fields)}, not {sorted(fields)}")
    chain = account_id or SYSTEM_CHAIN
    head = _locked_head(tx, chain)
    body = {
        "actor": actor.name,
        "address": actor.address,
        "fields": {name: _plain(value) for name, value in fields.items()},
    }
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
    head.number, head.hash = entry.number, entry.hash
    return entry


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


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def commitment(salt: str, body: Mapping[str, Any]) -> str:
    """The SHA-256, in hex, of the salt (hex) and the canonical JSON of the body."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(body)).hexdigest()


def link_hash(entry: AuditEntry) -> str:
    """The SHA-256, in hex, of an entry's fixed columns and the hash of the entry before it."""
    return hashlib.sha256(
        canonical(
            {
                "chain": str(entry.chain),
                "number": entry.number,
                "at": entry.at.isoformat(timespec="microseconds"),
                "event": entry.event,
                "actor_kind": entry.actor_kind,
                "actor_id": str(entry.actor_id) if entry.actor_id else None,
                "support_session_id": str(entry.support_session_id) if entry.support_session_id else None,
                "request_id": entry.request_id,
                "commitment": entry.commitment,
                "previous": entry.previous_hash,
            }
        )
    ).hexdigest()


@dataclass(frozen=True)
class Verification:
    """What a walk over one chain found. `broken_at` is the number of the first entry that does not hold."""

    chain: UUID
    entries: int
    erased: int
    broken_at: int | None
    reason: str = ""


def verify(tx: Session, chain: UUID) -> Verification:
    """Walk a chain from its first entry and check every link, every commitment that still has its details, the head."""
    previous, number, erased = GENESIS, 0, 0
    with closing(_walk(tx, chain)) as links:
        for entry, detail in links:
            number += 1
            reason = _fault(entry, detail, number, previous)
            if reason:
                return Verification(chain, number, erased, entry.number, reason)
            erased += detail is None
            previous = entry.hash
    head = tx.get(AuditHead, chain)
    if (head.number, head.hash) != (number, previous) if head else number:
        return Verification(chain, number, erased, number + 1, "the chain is shorter than its head says")
    return Verification(chain, number, erased, None)


def _walk(tx: Session, chain: UUID) -> Generator[tuple[AuditEntry, AuditDetail | None]]:
    with tx.execute(
        select(AuditEntry, AuditDetail)
        .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.chain == chain)
        .order_by(AuditEntry.number)
        .execution_options(yield_per=500)
    ) as rows:
        for row in rows:
            yield row[0], row[1]


def _fault(entry: AuditEntry, detail: AuditDetail | None, number: int, previous: str) -> str:
    if entry.number != number:
        return "an entry is missing"
    if entry.previous_hash != previous or entry.hash != link_hash(entry):
        return "an entry was changed"
    if detail is not None and commitment(detail.salt, detail.body) != entry.commitment:
        return "an entry's details were changed"
    return ""


def chains(tx: Session) -> list[UUID]:
    """Every chain that has entries."""
    return list(tx.scalars(select(AuditHead.chain).order_by(AuditHead.chain)))
