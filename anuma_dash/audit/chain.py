"""The chain: how an entry commits to what it says and to the entry before it, and the walk that finds a change.

An entry's commitment is the SHA-256 of a random salt and the canonical JSON of everything the event says. The chain
runs over commitments, so the details (with their salt) may be erased, and the chain still verifies.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit.entries import GENESIS, AuditDetail, AuditEntry, AuditHead


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def commitment(salt: str, body: Mapping[str, Any]) -> str:
    """The SHA-256, in hex, of the salt (hex) and the canonical JSON of the body."""
    return hashlib.sha256(bytes.fromhex(salt) + canonical(body)).hexdigest()


def chained(entry: AuditEntry) -> dict[str, Any]:
    """What an entry's hash covers: its fixed columns and the hash of the entry before it. Exports say it alike."""
    return {
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


def link_hash(entry: AuditEntry) -> str:
    """The SHA-256, in hex, of the canonical JSON of what an entry's hash covers."""
    return hashlib.sha256(canonical(chained(entry))).hexdigest()


@dataclass(frozen=True)
class Link:
    """An entry as the walk wants it, from the database or from a file. `body` is None where the details were erased."""

    entry: AuditEntry
    salt: str | None
    body: Mapping[str, Any] | None


@dataclass
class Walk:
    """How far a chain was walked: the last entry that holds, and how many on the way have no details any more."""

    number: int = 0
    hash: str = GENESIS
    erased: int = 0

    def step(self, link: Link) -> str:
        """Go on to the next entry. Returns why it does not hold, or nothing."""
        entry = link.entry
        if entry.number != self.number + 1:
            return "an entry is missing"
        if entry.previous_hash != self.hash or entry.hash != link_hash(entry):
            return "an entry was changed"
        if link.body is not None and not _holds(link, link.body):
            return "an entry's details were changed"
        self.number, self.hash = entry.number, entry.hash
        self.erased += link.body is None
        return ""


def _holds(link: Link, body: Mapping[str, Any]) -> bool:
    try:
        return commitment(link.salt or "", body) == link.entry.commitment
    except ValueError:  # the salt is not hexadecimal
        return False


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
    walk = Walk()
    broken_at, reason = go_on(tx, chain, walk)
    return Verification(chain, walk.number, walk.erased, broken_at, reason)


def go_on(tx: Session, chain: UUID, walk: Walk, limit: int | None = None) -> tuple[int | None, str]:
    """Walk on from where a walk stands, `limit` entries at most, and check the head if the end was reached.

    Returns the number of the first entry that does not hold, with the reason; None if none was found.
    """
    # The head is read first: entries that are appended meanwhile lie behind it, and it is not ahead of what is there.
    head = tx.get(AuditHead, chain, populate_existing=True)
    known = (head.number, head.hash) if head else (0, GENESIS)
    passed, seen = walk.number >= known[0], 0
    if walk.number == known[0] and walk.hash != known[1]:
        return walk.number, "the end of the chain was changed"
    with closing(links(tx, chain, walk.number, limit)) as found:
        for link in found:
            seen += 1
            reason = walk.step(link)
            if not reason and walk.number == known[0]:
                passed = True
                reason = "" if walk.hash == known[1] else "the end of the chain was changed"
            if reason:
                return link.entry.number, reason
    if limit is not None and seen == limit:
        return None, ""
    if not passed:
        return walk.number + 1, "the chain is shorter than its head says"
    return (None, "") if _head_reaches(tx, chain, walk) else (known[0] + 1, "an entry stands behind the chain's head")


def _head_reaches(tx: Session, chain: UUID, walk: Walk) -> bool:
    head = tx.get(AuditHead, chain, populate_existing=True)
    return walk.number == 0 if head is None else head.number >= walk.number


def links(tx: Session, chain: UUID, after: int, limit: int | None) -> Generator[Link]:
    """The entries of a chain behind a number, in order, a few at a time."""
    with tx.execute(
        select(AuditEntry, AuditDetail)
        .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(AuditEntry.chain == chain, AuditEntry.number > after)
        .order_by(AuditEntry.number)
        .limit(limit)
        .execution_options(yield_per=500)
    ) as rows:
        for entry, detail in rows:
            yield Link(entry, detail.salt if detail else None, detail.body if detail else None)


def chains(tx: Session) -> list[UUID]:
    """Every chain that has entries."""
    return list(tx.scalars(select(AuditHead.chain).order_by(AuditHead.chain)))
