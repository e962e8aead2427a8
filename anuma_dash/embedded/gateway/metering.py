"""Metering: one row per request, once, with the price applied; its content in the same transaction if allowed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal, Protocol
from uuid import UUID

from sqlalchemy import Dialect, String, Uuid, bindparam, insert, select, update

from anuma_dash.gateway.schemas import ControlName, Decision, DeletionScope, TraceStep

from .content_tables import memories
from .contents import Content, Vault
from .credit import spend
from .encryption import Sealed
from .policy import CONTROL_NAMES, Policy, Subject, decide, decide_again, read_policy_quickly
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
_OF_MEMORY = (memories.c.id == bindparam("memory"), memories.c.account_id == bindparam("account"))
_MEMORY_USED = Statement(update(memories).where(*_OF_MEMORY).values(last_used_at=bindparam("at")))
_MEMORY_SENT_TO = Statement(select(memories.c.sent_to).where(*_OF_MEMORY))
_MEMORY_SENT = Statement(update(memories).where(*_OF_MEMORY).values(sent_to=bindparam("providers")))
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
    subject: Subject
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
    at_arrival: Mapping[ControlName, Decision]
    epoch_at_arrival: int
    content: Content | None
    has_reservation: bool = False
    conversation: str | None = None
    """What the client calls the conversation that it belongs to."""
    steps: tuple[TraceStep, ...] = ()
    memories: tuple[UUID, ...] = ()
    """Those that went to the provider along with it."""
    first_told: tuple[UUID, ...] = ()
    """Those of them that this provider had not received before."""

    @property
    def key_id(self) -> UUID:
        """The key that it came with."""
        return self.subject.key_id

    @property
    def created_by(self) -> UUID | None:
        """The person whose key it was, `None` for a service key."""
        return self.subject.person

    @property
    def owner(self) -> UUID:
        """Whose its content is: that person's, or the account's."""
        return self.subject.person or self.account


@dataclass(frozen=True)
class Settled:
    """What was decided at the write, of each control."""

    decisions: Mapping[ControlName, Decision]
    epoch: int

    @property
    def decision(self) -> Decision:
        """What prompt logging decided."""
        return self.decisions["prompt_logging"]

    @property
    def stored(self) -> bool:
        """Whether any content of the request was kept."""
        return any(decision.stored for decision in self.decisions.values())


class Keeper(Protocol):
    """Stores what a control lets stay of a request, beside prompt logging."""

    @property
    def control(self) -> ControlName:
        """Whose it is."""

    @property
    def category(self) -> str:
        """What a deletion calls it."""

    def prepare(self, records: Sequence[Record], now: datetime) -> Mapping[UUID, Any]:
        """Encrypt what is to be kept of requests that may be, by request; new data keys are committed on return.

        A request that has nothing to keep is left out.
        """

    def nothing(self, record: Record) -> str:
        """The rule by which a request has nothing to keep."""

    def write(self, cursor: Cursor, dialect: Dialect, record: Record, prepared: Any, sums: Sums) -> Mapping[str, Any]:
        """Write its rows in the request's transaction, and add to the sums of `content_days`.

        Returns:
            Columns of the request's row.
        """

    def discard(self, prepared: Sequence[Any]) -> None:
        """Destroy the new data keys of what was not written after all."""


class Meter:
    """Writes request rows."""

    def __init__(
        self,
        stores: Stores,
        vault: Vault,
        count: Callable[[Record, Settled], object] = lambda *_: None,
        keepers: Sequence[Keeper] = (),
    ) -> None:
        self._stores = stores
        self._vault = vault
        self._count = count
        self._keepers = keepers

    def settle(self, records: Sequence[Record], now: datetime) -> list[Settled]:
        """Write requests, all of them or none, in one transaction, and count them. Call it once per request.

        The data keys go first, in a transaction of their own; if the write's transaction then finds that nothing may
        be stored, the unused ones are destroyed (if the process dies in between, the sweep does it).
        """
        records = [_without_nothing(record) for record in records]
        sealed = self._vault.seal(
            [(r.account, r.id, r.content) for r in records if r.at_arrival["prompt_logging"].stored and r.content], now
        )
        prepared: dict[ControlName, Mapping[UUID, Any]] = {}
        settled: list[Settled] = []
        try:
            for keeper in self._keepers:
                allowed = [r for r in records if r.at_arrival[keeper.control].stored]
                prepared[keeper.control] = keeper.prepare(allowed, now) if allowed else {}
            settled = self._write(records, sealed, prepared)
        finally:
            self._let_go(records, settled, sealed, prepared)
        for record, found in zip(records, settled, strict=True):
            self._count(record, found)
        return settled

    def _let_go(
        self,
        records: Sequence[Record],
        settled: Sequence[Settled],
        sealed: Mapping[UUID, Sealed],
        prepared: Mapping[ControlName, Mapping[UUID, Any]],
    ) -> None:
        """Destroy the data keys of what the write did not keep."""
        found = {record.id: one.decisions for record, one in zip(records, settled, strict=False)}

        def kept(request_id: UUID, control: ControlName) -> bool:
            return request_id in found and found[request_id][control].stored

        if unused := [request_id for request_id in sealed if not kept(request_id, "prompt_logging")]:
            self._vault.destroy_keys(unused, durable=False)
        for keeper in self._keepers:
            of_control = prepared.get(keeper.control, {})
            if left := [one for request_id, one in of_control.items() if not kept(request_id, keeper.control)]:
                keeper.discard(left)

    def _write(
        self,
        records: Sequence[Record],
        sealed: Mapping[UUID, Sealed],
        prepared: Mapping[ControlName, Mapping[UUID, Any]],
    ) -> list[Settled]:
        storing = set(sealed).union(*prepared.values())
        with self._stores.main.write_quickly() as cursor:
            steady = {record.account for record in records if record.id in storing}
            write = _Write(cursor, self._stores.main.dialect, steady, self._keepers)
            for record in records:
                ready = {name: found[record.id] for name, found in prepared.items() if record.id in found}
                write.add(record, sealed.get(record.id), ready)
            write.finish()
            return write.settled


class _Write:
    """One transaction that settles requests: what is decided for each, then all rows, then the sums."""

    def __init__(self, cursor: Cursor, dialect: Dialect, steady: Collection[UUID], keepers: Sequence[Keeper]) -> None:
        self._keepers = keepers
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
        self._told: dict[tuple[UUID, UUID], datetime] = {}
        self._first_told: set[tuple[UUID, UUID, str]] = set()

    def add(self, record: Record, sealed: Sealed | None, prepared: Mapping[ControlName, Any]) -> None:
        """Decide about one request by the policy as it is in this transaction."""
        policy = self._policy(record.account)
        decisions = {name: self._decide(policy, name, record) for name in CONTROL_NAMES}
        decisions["prompt_logging"] = self._unless_deleted(decisions["prompt_logging"], record, "request_content")
        size = 0
        if decisions["prompt_logging"].stored and sealed is not None:
            size = sealed.plain_bytes
            self._contents.append(_content_columns(record, sealed))
            self._content_days.add(_content_day(record, "request_content"), entries=1, bytes=size)
        more = self._keep(record, prepared, decisions)
        self._rows.append(_columns(record, decisions, policy.epoch, size) | more)
        self._add_up(record, self._rows[-1])
        self.settled.append(Settled(decisions, policy.epoch))

    def _decide(self, policy: Policy, control: ControlName, record: Record) -> Decision:
        return decide_again(record.at_arrival[control], decide(policy, control, record.subject))

    def _unless_deleted(self, decision: Decision, record: Record, category: str) -> Decision:
        if decision.stored and self._is_deleted(record, category):
            refused = {"stored": False, "rule": "deletion_under_way", "level": "none"}
            return decision.model_copy(update=refused)
        return decision

    def _keep(
        self, record: Record, prepared: Mapping[ControlName, Any], decisions: dict[ControlName, Decision]
    ) -> dict[str, Any]:
        """Let the keepers write what may stay; of what no keeper has, nothing does."""
        columns: dict[str, Any] = {}
        kept: set[ControlName] = {"prompt_logging"}
        for keeper in self._keepers:
            name = keeper.control
            decisions[name] = decision = self._unless_deleted(decisions[name], record, keeper.category)
            if not decision.stored:
                continue
            if name in prepared:
                columns.update(keeper.write(self._cursor, self._dialect, record, prepared[name], self._content_days))
                kept.add(name)
            else:
                decisions[name] = _nothing(decision, keeper.nothing(record))
        for name in CONTROL_NAMES:
            if decisions[name].stored and name not in kept:
                decisions[name] = _nothing(decisions[name], "not_applicable")
        return columns

    def finish(self) -> None:
        """Write it, always in the same order of tables and rows, so that no two such transactions deadlock."""
        cursor, dialect = self._cursor, self._dialect
        self._note_memories()
        _NEW_REQUEST.run_many(cursor, dialect, self._rows)
        _NEW_CONTENT.run_many(cursor, dialect, self._contents)
        self._content_days.write(cursor, dialect)
        self._days.write(cursor, dialect)
        spend(cursor, dialect, self._spent, self._released)
        self._months.write(cursor, dialect)
        used = [{"key": key, "at": at} for key, at in sorted(self._used.items())]
        _KEY_USED.run_many(cursor, dialect, used)

    def _note_memories(self) -> None:
        """When memories were last used, and which providers have received them; of what is deleted by now, nothing."""
        cursor, dialect = self._cursor, self._dialect
        used = [{"account": of, "memory": one, "at": at} for (of, one), at in sorted(self._told.items())]
        _MEMORY_USED.run_many(cursor, dialect, used)
        for of, one, provider in sorted(self._first_told):
            which = {"account": of, "memory": one}
            for (sent_to,) in _MEMORY_SENT_TO.rows(cursor, dialect, which):
                providers = json.dumps(sorted({*json.loads(sent_to), provider}))
                _MEMORY_SENT.run(cursor, dialect, {**which, "providers": providers})

    def _policy(self, account: UUID) -> Policy:
        found = self._policies.get(account)
        if found is None:
            found = read_policy_quickly(self._cursor, self._dialect, account, steady=account in self._steady)
            self._policies[account] = found
        return found

    def _is_deleted(self, record: Record, category: str) -> bool:
        """Whether a deletion accepted while the request was under way covers it."""
        which = {"account": record.account, "arrived_at": record.arrived_at}
        scopes = _DELETIONS_SINCE.rows(self._cursor, self._dialect, which)
        return any(_covers(DeletionScope.model_validate_json(scope), record, category) for (scope,) in scopes)

    def _add_up(self, record: Record, row: Mapping[str, Any]) -> None:
        cost, failed = row["cost_micro_usd"], int(record.outcome == "failed")
        size = _FIXED_BYTES + sum([len(row[name] or "") for name in _TEXTS])
        self._days.add(_day(record), requests=1, errors=failed, cost_micro_usd=cost, bytes=size)
        self._spent[record.account] += cost
        for memory in record.memories:
            place = record.account, memory
            self._told[place] = max(record.arrived_at, self._told.get(place, record.arrived_at))
        self._first_told.update((record.account, memory, record.provider) for memory in record.first_told)
        if record.has_reservation:
            self._released.append(record.id)
        month = (record.key_id, first_of_month(record.arrived_at.date()))
        self._months.add(month, requests=1, cost_micro_usd=cost)
        if not record.is_test and record.status not in _KEY_REFUSED:
            self._used[record.key_id] = max(record.arrived_at, self._used.get(record.key_id, record.arrived_at))


def _without_nothing(record: Record) -> Record:
    logging = record.at_arrival["prompt_logging"]
    if logging.stored and record.content is None:
        return replace(record, at_arrival={**record.at_arrival, "prompt_logging": _nothing_to_store(record, logging)})
    return record


def _day(record: Record) -> tuple[UUID, date]:
    return record.account, record.arrived_at.date()


def _content_day(record: Record, category: str) -> tuple[UUID, str, UUID, date]:
    return record.account, category, record.owner, record.arrived_at.date()


def _nothing(decision: Decision, rule: str) -> Decision:
    return decision.model_copy(update={"stored": False, "rule": rule, "level": "none"})


def _nothing_to_store(record: Record, decision: Decision) -> Decision:
    """A failed request's content is not kept; one whose client left before its prompt was whole has none."""
    return _nothing(decision, "failed" if record.outcome == "failed" else "no_content")


def _covers(scope: DeletionScope, record: Record, category: str) -> bool:
    """What a scope names beside these is of things that were there when it was accepted."""
    by_name = (scope.conversation_ids, scope.memory_ids, scope.evaluation_ids, scope.app_id, scope.model, scope.pinned)
    return (
        scope.category in (category, "all_content")
        and all(one is None for one in by_name)
        and (scope.before is None or record.arrived_at < scope.before)
        and (scope.request_ids is None or record.id in scope.request_ids)
        and (scope.person is None or scope.person == record.created_by)
        and (not scope.service or record.created_by is None)
    )


@lru_cache(maxsize=256)
def _others(decided: tuple[tuple[str, bool, str, str], ...]) -> str:
    return json.dumps({name: rest for name, *rest in decided}, separators=(",", ":"))


def _columns(
    record: Record, decisions: Mapping[ControlName, Decision], epoch: int, stored_bytes: int
) -> dict[str, Any]:
    usage, price, decision = record.usage, record.price, decisions["prompt_logging"]
    others = tuple((n, d.stored, d.rule, d.level) for n, d in decisions.items() if n != "prompt_logging")
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
        "other_controls": _others(others),
        "conversation_id": None,
        "memories_used": len(record.memories),
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
