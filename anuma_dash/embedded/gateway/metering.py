"""Metering: one row per request, once, with the price applied; its content in the same transaction if allowed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection, bindparam, insert, select, update

from anuma_dash.gateway.schemas import Decision, DeletionScope

from .contents import Content, Vault
from .encryption import Sealed
from .policy import decide, decide_again, read_policy
from .stores import Stores, add_up
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
_KEY_REFUSED = (401, 403)

# Statements of the hot path are built once: building one takes longer than executing it.
_NEW_REQUEST = insert(requests)
_NEW_CONTENT = insert(request_contents)
_KEY_USED = update(api_keys).where(api_keys.c.id == bindparam("key")).values(last_used_at=bindparam("at"))
_DELETIONS_SINCE = select(deletions.c.scope).where(
    deletions.c.account_id == bindparam("account"), deletions.c.requested_at >= bindparam("arrived_at")
)


@dataclass(frozen=True)
class Price:
    """Micro-USD per million tokens, and where the price comes from."""

    input_micro_usd_per_million: int = 0
    output_micro_usd_per_million: int = 0
    source: Literal["configuration", "free", "none"] = "none"

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


@dataclass(frozen=True)
class Settled:
    """What was decided at the write."""

    decision: Decision
    epoch: int


class Meter:
    """Writes request rows."""

    def __init__(self, stores: Stores, vault: Vault) -> None:
        self._stores = stores
        self._vault = vault

    def settle(self, record: Record, now: datetime) -> Settled:
        """Write a request. Call it once per request.

        The data key goes first, in a transaction of its own; if the write's transaction then finds that nothing may
        be stored, the unused key is destroyed (if the process dies in between, the sweep does it).
        """
        if record.at_arrival.stored and record.content is None:
            record = replace(record, at_arrival=_nothing_to_store(record))
        if not record.at_arrival.stored or record.content is None:
            return self._write(record, None, 0)
        size = len(record.content.encode())
        sealed = self._vault.seal(record.account, record.id, record.content, now)
        settled: Settled | None = None
        try:
            settled = self._write(record, sealed, size)
        finally:
            if settled is None or not settled.decision.stored:
                self._vault.destroy_keys([record.id], durable=False)
        return settled

    def _write(self, record: Record, sealed: Sealed | None, size: int) -> Settled:
        with self._stores.main.write() as connection:
            policy = read_policy(connection, record.account, steady=sealed is not None)
            at_write = decide(policy, "prompt_logging", record.key_id, record.created_by)
            decision = decide_again(record.at_arrival, at_write)
            if decision.stored and _is_deleted(connection, record):
                refused = {"stored": False, "rule": "deletion_under_way", "level": "none"}
                decision = decision.model_copy(update=refused)
            stored_bytes = size if decision.stored else 0
            _insert_request(connection, record, decision, policy.epoch, stored_bytes)
            if decision.stored and sealed is not None:
                _insert_content(connection, record, sealed, size)
            return Settled(decision, policy.epoch)


def _nothing_to_store(record: Record) -> Decision:
    """A failed request's content is not kept; one whose client left before its prompt was whole has none."""
    rule = "failed" if record.outcome == "failed" else "no_content"
    return record.at_arrival.model_copy(update={"stored": False, "rule": rule, "level": "none"})


def _is_deleted(connection: Connection, record: Record) -> bool:
    """Whether a deletion accepted while the request was under way covers it."""
    scopes = connection.scalars(_DELETIONS_SINCE, {"account": record.account, "arrived_at": record.arrived_at})
    return any(_covers(DeletionScope.model_validate_json(scope), record) for scope in scopes)


def _covers(scope: DeletionScope, record: Record) -> bool:
    return (
        (scope.before is None or record.arrived_at < scope.before)
        and (scope.request_ids is None or record.id in scope.request_ids)
        and (scope.person is None or scope.person == record.created_by)
    )


def _insert_request(connection: Connection, record: Record, decision: Decision, epoch: int, stored_bytes: int) -> None:
    values = _columns(record) | {
        "content_stored": decision.stored,
        "content_rule": decision.rule,
        "content_level": decision.level,
        "content_epoch": decision.epoch,
        "content_bytes": stored_bytes,
        "policy_epoch_at_write": epoch,
    }
    connection.execute(_NEW_REQUEST, values)
    day, cost = record.arrived_at.date(), values["cost_micro_usd"]
    add_up(
        connection,
        request_days,
        {"account_id": record.account, "day": day},
        {
            "requests": 1,
            "errors": int(record.outcome == "failed"),
            "cost_micro_usd": cost,
            "bytes": sum(len(str(value)) for value in values.values()),
        },
    )
    month = {"key_id": record.key_id, "month": first_of_month(day)}
    add_up(connection, key_months, month, {"requests": 1, "cost_micro_usd": cost})
    if not record.is_test and record.status not in _KEY_REFUSED:
        connection.execute(_KEY_USED, {"key": record.key_id, "at": record.arrived_at})


def _columns(record: Record) -> dict[str, Any]:
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
    }


def _insert_content(connection: Connection, record: Record, sealed: Sealed, size: int) -> None:
    connection.execute(
        _NEW_CONTENT,
        {
            "request_id": record.id,
            "account_id": record.account,
            "created_at": record.arrived_at,
            "created_by": record.created_by,
            "provider": record.provider,
            "nonce": sealed.nonce,
            "ciphertext": sealed.ciphertext,
        },
    )
    day = {"account_id": record.account, "day": record.arrived_at.date()}
    add_up(connection, content_days, day, {"entries": 1, "bytes": size})


def first_of_month(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)
