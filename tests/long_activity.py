"""A long activity, made quickly: links that hold, without a transaction for each. On SQLite alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from anuma_dash.audit import AuditEntry, AuditHead, Event
from anuma_dash.audit.chain import canonical, link_hash
from anuma_dash.db import Database, new_id

AT_ONCE = 50_000
EVENT = Event.NAME_CHANGED.value.name
BODY = {"actor": "Olive Lindqvist", "address": "192.0.2.14", "fields": {"old": "Olive", "new": "Olive Lindqvist"}}
ENTRIES = """
    INSERT INTO audit_entries (id, chain, number, at, event, actor_kind, request_id, commitment, previous_hash, hash)
    VALUES (?, ?, ?, ?, ?, 'user', 'long', ?, ?, ?)
"""
DETAILS = "INSERT INTO audit_details (entry_id, salt, body) VALUES (?, ?, ?)"
Row = tuple[object, ...]


def lengthen(db: Database, chain: UUID, count: int) -> None:
    """Append so many entries to a chain that has some."""
    begin = datetime.now(UTC) - timedelta(microseconds=count)
    for done in range(0, count, AT_ONCE):
        with db.transaction() as tx:
            head = tx.get_one(AuditHead, chain)
            at = begin + timedelta(microseconds=done)
            links = list(_links(chain, head, at, min(AT_ONCE, count - done)))
            connection = tx.connection()
            connection.exec_driver_sql(ENTRIES, [entry for entry, _ in links])
            connection.exec_driver_sql(DETAILS, [detail for _, detail in links])
            last = tx.get_one(AuditEntry, UUID(str(links[-1][0][0])))
            assert last.hash == link_hash(last), "these links are made as the real ones are"
            tx.execute(update(AuditHead).where(AuditHead.chain == chain).values(number=last.number, hash=last.hash))


def _links(chain: UUID, head: AuditHead, at: datetime, count: int) -> Iterator[tuple[Row, Row]]:
    body, kept, previous, chain_hex = canonical(BODY), json.dumps(BODY), head.hash, chain.hex
    for number in range(head.number + 1, head.number + 1 + count):
        at += timedelta(microseconds=1)
        # Any 256 bits are a salt; those of the entry before are at hand.
        salt, moment = previous, f"{at:%Y-%m-%d} {at:%H:%M:%S.%f}"
        commitment = hashlib.sha256(bytes.fromhex(salt) + body).hexdigest()
        # The canonical form of what `link_hash` hashes.
        link = (
            f'{{"actor_id":null,"actor_kind":"user","at":"{at.isoformat(timespec="microseconds")}","chain":"{chain}",'
            f'"commitment":"{commitment}","event":"{EVENT}","number":{number},"previous":"{previous}",'
            f'"request_id":"long","support_session_id":null}}'
        )
        made, entry_id = hashlib.sha256(link.encode()).hexdigest(), new_id().hex
        yield (
            (entry_id, chain_hex, number, moment, EVENT, commitment, previous, made),
            (entry_id, salt, kept),
        )
        previous = made
