"""Traces: the steps of a request with their words, sealed under a data key of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Dialect, insert, select

from anuma_dash.gateway.schemas import ControlName, TraceStep

from .content_tables import traces
from .contents import Vault
from .encryption import Sealed, seal, unseal
from .identifiers import uuid7
from .metering import Record
from .statements import Cursor, Statement
from .sums import Sums

CATEGORY: Final = "traces"
_TABLE: Final = traces.name
_NEW: Final = Statement(insert(traces))
Prepared = tuple[UUID, Sealed]


class TraceKeeper:
    """Keeps the trace of every request that the control allows one of, also of those that failed."""

    control: ControlName = "traces"
    category = CATEGORY

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def prepare(self, records: Sequence[Record], now: datetime) -> Mapping[UUID, Prepared]:
        """Seal each request's steps."""
        having = [(record, uuid7(record.arrived_at)) for record in records if record.steps]
        keys = self._vault.make_keys(CATEGORY, [(record.account, trace_id) for record, trace_id in having], now)
        return {
            record.id: (
                trace_id,
                seal(keys[trace_id], _encode(record.steps), table=_TABLE, row=trace_id, account=record.account),
            )
            for record, trace_id in having
        }

    def nothing(self, record: Record) -> str:
        """It ended before its first step."""
        return "no_content"

    def write(
        self, cursor: Cursor, dialect: Dialect, record: Record, prepared: Prepared, sums: Sums
    ) -> Mapping[str, Any]:
        """Write the row."""
        trace_id, sealed = prepared
        row = {
            "id": trace_id,
            "account_id": record.account,
            "request_id": record.id,
            "created_at": record.arrived_at,
            "created_by": record.created_by,
            "provider": record.provider,
            "bytes": sealed.plain_bytes,
            "nonce": sealed.nonce,
            "ciphertext": sealed.ciphertext,
        }
        _NEW.run(cursor, dialect, row)
        day = (record.account, CATEGORY, record.owner, record.arrived_at.date())
        sums.add(day, entries=1, bytes=sealed.plain_bytes)
        return {}

    def discard(self, prepared: Sequence[Prepared]) -> None:
        """Destroy the data keys of what was not written after all."""
        self._vault.destroy_keys([trace_id for trace_id, _ in prepared], durable=False)


def read_trace(connection: Connection, vault: Vault, account: UUID, request_id: UUID) -> list[TraceStep] | None:
    """The steps of a request, or `None` where there are none or their data key was destroyed.

    Raises:
        Unreadable: there is a key but it does not fit.
    """
    column = traces.c
    query = select(traces).where(column.request_id == request_id, column.account_id == account)
    row = connection.execute(query).one_or_none()
    key = vault.data_key(account, row.id) if row is not None else None
    if row is None or key is None:
        return None
    sealed = Sealed(row.nonce, row.ciphertext)
    words = unseal(key, sealed, table=_TABLE, row=row.id, account=account)
    return [TraceStep.model_validate(step) for step in json.loads(words)]


def _encode(steps: Sequence[TraceStep]) -> bytes:
    return json.dumps([step.model_dump() for step in steps], ensure_ascii=False, separators=(",", ":")).encode()
