"""Metering: one row per request, once, with the price applied; its content in the same transaction if allowed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Dialect, String, Uuid, bindparam, insert, select, update

from anuma_dash.gateway.schemas import Decision, DeletionScope

from .contents import Content, Vault
from .credit import spend
from .encryption import Sealed
from .policy import Policy, decide, decide_again, read_policy_quickly
from .statements import Cursor, Statement
from .stores import Stores
from .sums import Sums
from .tables import (
    api_keys,
    content_days,
    deletions,
    key_months,
    request_contents,
    request_days,
    requests,
)

MILLION = 1_000_000
_TEXTS = tuple(column.name for column in requests.columns if isinstance(column.type, String))
_FIXED_BYTES = sum(16 if isinstance(column.type, Uuid) else 8 for column in requests.columns) - 8 * len(_TEXTS)
"""What identifiers, times and numbers take."""
_KEY_REFUSED = (401, 403)

_NEW_REQUEST = Statement(insert(requests))
_NEW_CONTENT = Statement(insert(request_contents))
_KEY_USED = Statement(update(api_keys).where(api_keys.c.id == bindparam("key")).values(last_used_at=bindparam("at")))
_DELETIONS_SINCE = Statement(
    select(deletions.c.scope).where(
        deletions.c.account_id == bindparam("account"), deletions.c.requested_at >= bindparam("arrived_at")
    )
)


@dataclass(frozen=True)
class Price:
    """Micro-USD per million tokens, and where the price comes from."""

    input_micro_usd_per_million: int = 0
    output_micro_usd_per_million: int = 0
    source: Literal["configuration", "free", "none"] = "none"

    @property
    def costs(self) -> bool:
        """Whether anything is charged at all."""
        return bool(self.input_micro_usd_per_million or self.output_micro_usd_per_million)

    def cost(self, prompt_tokens: int, completion_tokens: int) -> int:
        """The cost in micro-USD, rounded up to a whole one."""
        total = prompt_tokens * self.input_micro_usd_per_million + completion_tokens * self.output_micro_usd_per_million
        return -(-total // MILLION)


@dataclass(frozen=True)
class Usage:
    """How many tokens, and who counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    source: Literal["provider", "estimated", "none"] = "none"


@dataclass(frozen=True)
class Record:
    """Everything known about a request when it has ended."""

    id: UUID
    account: UUID
    key_id: UUID
    created_by: UUID | None
    environment: str
    arrived_at: datetime
    endpoint: str
    model: str
    provider: str
    provider_retention: str
    provider_training: str
    price: Price
    usage: Usage
    status: int
    error_class: str | None
    outcome: Literal["completed", "failed", "canceled"]
    streamed: bool
    latency_ms: int
    first_byte_ms: int | None
    is_test: bool
    at_arrival: Decision
    epoch_at_arrival: int
    content: Content | None
    has_reservation: bool = False


@dataclass(frozen=True)
class Settled:
    """What was decided at the write."""

    decision: Decision
    epoch: int


class Meter:
    """Writes request rows."""

    def __init__(
        self, stores: Stores, vault: Vault, count: Callable[[Record, Settled], object] = lambda *_: None
    ) -> None:
        self._stores = stores
        self._vault = vault
        self._count = count

    def settle(self, records: Sequence[Record], now: datetime) -> list[Settled]:
        """Write requests, all of them or none, in one transaction, and count them. Call it once per request.

        The data keys go first, in a transaction of their own; if the write's transaction then finds that nothing may
        be stored, the unused ones are destroyed (if the process dies in between, the sweep does it).
        """
        records = [_without_nothing(record) for record in records]
        sealed = self._vault.seal(
            [(r.account, r.id, r.content) for r in records if r.at_arrival.stored and r.content is not None], now
        )
        settled: list[Settled] = []
        try:
            settled = self._write(records, sealed)
        finally:
            stored = {r.id for r, found in zip(records, settled, strict=False) if found.decision.stored}
            if unused := [request_id for request_id in sealed if request_id not in stored]:
                self._vault.destroy_keys(unused, durable=False)
        for record, found in zip(records, settled, strict=True):
            self._count(record, found)
        return settled

    def _write(self, records: Sequence[Record], sealed: Mapping[UUID, Sealed]) -> list[Settled]:
        with self._stores.main.write_quickly() as cursor:
            write = _Write(cursor, self._stores.main.dialect, {r.account for r in records if r.id in sealed})
            for record in records:
                write.add(record, sealed.get(record.id))
            write.finish()
            return write.settled


class _Write:
    """One transaction that settles requests: what is decided for each, then all rows, then the sums."""

    def __init__(self, cursor: Cursor, dialect: Dialect, steady: Collection[UUID]) -> None:
        self.settled: list[Settled] = []
        self._cursor = cursor
        self._dialect = dialect
        self._steady = steady
        self._policies: dict[UUID, Policy] = {}
        self._rows: list[dict[str, Any]] = []
        self._contents: list[dict[str, Any]] = []
        self._days = Sums(request_days)
        self._content_days = Sums(content_days)
        self._months = Sums(key_months)
        self._used: dict[UUID, datetime] = {}
        self._spent: Counter[UUID] = Counter()
        self._released: list[UUID] = []

    def add(self, record: Record, sealed: Sealed | None) -> None:
        """Decide about one request by the policy as it is in this transaction."""
        policy = self._policy(record.account)
        at_write = decide(policy, "prompt_logging", record.key_id, record.created_by)
        decision = decide_again(record.at_arrival, at_write)
        if decision.stored and self._is_deleted(record):
            refused = {"stored": False, "rule": "deletion_under_way", "level": "none"}
            decision = decision.model_copy(update=refused)
        size = 0
        if decision.stored and sealed is not None:
            size = sealed.plain_bytes
            self._contents.append(_content_columns(record, sealed))
            self._content_days.add(_day(record), entries=1, bytes=size)
        self._rows.append(_columns(record, decision, policy.epoch, size))
        self._add_up(record, self._rows[-1])
        self.settled.append(Settled(decision, policy.epoch))

    def finish(self) -> None:
        """Write it, always in the same order of tables and rows, so that no two such transactions deadlock."""
        cursor, dialect = self._cursor, self._dialect
        _NEW_REQUEST.run_many(cursor, dialect, self._rows)
        _NEW_CONTENT.run_many(cursor, dialect, self._contents)
        self._content_days.write(cursor, dialect)
        self._days.write(cursor, dialect)
        spend(cursor, dialect, self._spent, self._released)
        self._months.write(cursor, dialect)
        used = [{"key": key, "at": at} for key, at in sorted(self._used.items())]
        _KEY_USED.run_many(cursor, dialect, used)

    def _policy(self, account: UUID) -> Policy:
        found = self._policies.get(account)
        if found is None:
            found = read_policy_quickly(self._cursor, self._dialect, account, steady=account in self._steady)
            self._policies[account] = found
        return found

    def _is_deleted(self, record: Record) -> bool:
        """Whether a deletion accepted while the request was under way covers it."""
        which = {"account": record.account, "arrived_at": record.arrived_at}
        scopes = _DELETIONS_SINCE.rows(self._cursor, self._dialect, which)
        return any(_covers(DeletionScope.model_validate_json(scope), record) for (scope,) in scopes)

    def _add_up(self, record: Record, row: Mapping[str, Any]) -> None:
        cost, failed = row["cost_micro_usd"], int(record.outcome == "failed")
        size = _FIXED_BYTES + sum([len(row[name] or "") for name in _TEXTS])
        self._days.add(_day(record), requests=1, errors=failed, cost_micro_usd=cost, bytes=size)
        self._spent[record.account] += cost
        if record.has_reservation:
            self._released.append(record.id)
        month = (record.key_id, first_of_month(record.arrived_at.date()))
        self._months.add(month, requests=1, cost_micro_usd=cost)
        if not record.is_test and record.status not in _KEY_REFUSED:
            self._used[record.key_id] = max(record.arrived_at, self._used.get(record.key_id, record.arrived_at))


def _without_nothing(record: Record) -> Record:
    if record.at_arrival.stored and record.content is None:
        return replace(record, at_arrival=_nothing_to_store(record))
    return record


def _day(record: Record) -> tuple[UUID, date]:
    return record.account, record.arrived_at.date()


def _nothing_to_store(record: Record) -> Decision:
    """A failed request's content is not kept; one whose client left before its prompt was whole has none."""
    rule = "failed" if record.outcome == "failed" else "no_content"
    return record.at_arrival.model_copy(update={"stored": False, "rule": rule, "level": "none"})


def _covers(scope: DeletionScope, record: Record) -> bool:
    return (
        (scope.before is None or record.arrived_at < scope.before)
        and (scope.request_ids is None or record.id in scope.request_ids)
        and (scope.person is None or scope.person == record.created_by)
    )


def _columns(record: Record, decision: Decision, epoch: int, stored_bytes: int) -> dict[str, Any]:
    usage, price = record.usage, record.price
    return {
        "id": record.id,
        "account_id": record.account,
        "created_at": record.arrived_at,
        "key_id": record.key_id,
        "created_by": record.created_by,
        "environment": record.environment,
        "endpoint": record.endpoint,
        "model": record.model,
        "provider": record.provider,
        "status": record.status,
        "status_class": record.status // 100,
        "error_class": record.error_class,
        "streamed": record.streamed,
        "outcome": record.outcome,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "usage_source": usage.source,
        "cost_micro_usd": price.cost(usage.prompt_tokens, usage.completion_tokens),
        "input_price_micro_usd_per_million": price.input_micro_usd_per_million,
        "output_price_micro_usd_per_million": price.output_micro_usd_per_million,
        "pricing_source": price.source,
        "latency_ms": record.latency_ms,
        "first_byte_ms": record.first_byte_ms,
        "policy_epoch_at_arrival": record.epoch_at_arrival,
        "provider_retention": record.provider_retention,
        "provider_training": record.provider_training,
        "is_test": record.is_test,
        "content_stored": decision.stored,
        "content_rule": decision.rule,
        "content_level": decision.level,
        "content_epoch": decision.epoch,
        "content_bytes": stored_bytes,
        "policy_epoch_at_write": epoch,
    }


def _content_columns(record: Record, sealed: Sealed) -> dict[str, Any]:
    return {
        "request_id": record.id,
        "account_id": record.account,
        "created_at": record.arrived_at,
        "created_by": record.created_by,
        "provider": record.provider,
        "nonce": sealed.nonce,
        "ciphertext": sealed.ciphertext,
    }


def first_of_month(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)
