"""Where *Test it now* looks for its test string, per control, and how it gets there first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Row, select

from anuma_dash.gateway.schemas import ControlName, Decision, NewEvaluation, NewMemory

from .. import evaluations, memories
from ..content_tables import evaluations as evaluation_rows
from ..content_tables import messages
from ..core import Gateway
from ..encryption import Sealed, Unreadable, unseal
from ..identifiers import uuid7
from ..keeping import NotKept, new_key
from ..metering import Settled
from ..policy import decide, read_policy
from ..problems import Refused
from ..public.echo import Echo
from ..public.endpoints import Order
from ..public.exchange import Exchange
from ..public.steps import Attempt
from ..tracing import read_trace
from .idempotency import lock_account

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """The test request, when it has been answered."""

    gateway: Gateway
    exchange: Exchange
    settled: Settled
    test_string: str


@dataclass(frozen=True)
class Found:
    """What the control decided about what was planted, and whether it can be read where the control keeps things."""

    decision: Decision
    readable: bool


class CallingEcho(Echo):
    """The built-in model, which also asks for a tool with the words that it got: those are in the trace then."""

    async def complete(self, order: Order, attempt: Attempt) -> dict[str, Any]:
        """The whole answer."""
        answer = await super().complete(order, attempt)
        function = {"name": "test", "arguments": order.prompt[-1].text}
        answer["choices"][0]["message"]["tool_calls"] = [{"id": "test", "type": "function", "function": function}]
        return answer


def planted(control: ControlName, sent: Sent) -> AbstractContextManager[Found]:
    """Look where this control keeps things; what the test itself put there beside its request is gone at the end."""
    return _PLANTS[control](sent)


@contextmanager
def _prompt(sent: Sent) -> Iterator[Found]:
    with sent.gateway.stores.main.read() as connection:
        content = _or_none(
            lambda: sent.gateway.vault.open(connection, sent.exchange.admitted.account, sent.exchange.id)
        )
    readable = content is not None and any(sent.test_string in message.text for message in content.prompt)
    yield Found(sent.settled.decision, readable)


@contextmanager
def _trace(sent: Sent) -> Iterator[Found]:
    vault, account = sent.gateway.vault, sent.exchange.admitted.account
    with sent.gateway.stores.main.read() as connection:
        steps = _or_none(lambda: read_trace(connection, vault, account, sent.exchange.id)) or []
    yield Found(sent.settled.decisions["traces"], any(sent.test_string in step.detail for step in steps))


@contextmanager
def _conversation(sent: Sent) -> Iterator[Found]:
    account, column = sent.exchange.admitted.account, messages.c
    query = select(messages).where(column.request_id == sent.exchange.id, column.account_id == account)
    with sent.gateway.stores.main.read() as connection:
        rows = connection.execute(query).all()
    keys = sent.gateway.vault.data_keys(account, [row.conversation_id for row in rows])
    words = (_message(row, keys.get(row.conversation_id)) for row in rows)
    readable = any(sent.test_string.encode() in one for one in words)
    yield Found(sent.settled.decisions["chat_history"], readable)


def _message(row: Row[Any], key: bytes | None) -> bytes:
    sealed = Sealed(row.nonce, row.ciphertext)
    if key is None:
        return b""
    return _or_none(lambda: unseal(key, sealed, table=messages.name, row=row.id, account=row.account_id)) or b""


@contextmanager
def _evaluation(sent: Sent) -> Iterator[Found]:
    gateway, account, now = sent.gateway, sent.exchange.admitted.account, sent.gateway.now()
    evaluation_id, subject = uuid7(now), sent.exchange.admitted.subject
    new = NewEvaluation(name="test", score=1, comment=sent.test_string)
    try:
        with (
            new_key(gateway.vault, evaluations.CATEGORY, account, evaluation_id, now) as key,
            gateway.stores.main.write(durable=True) as connection,
        ):
            lock_account(connection, account)
            decision = decide(read_policy(connection, account, steady=True), "evaluations", subject)
            request = evaluations.find_request(connection, account, sent.exchange.id)
            assert request is not None
            giver = evaluations.Giver(key_id=subject.key_id)
            evaluations.add(connection, key, account, request, evaluation_id, new, giver, now)
    except NotKept as refused:
        _check_off(refused)
    with gateway.stores.main.read() as connection:
        state = read_policy(connection, account).state
        row = connection.execute(select(evaluation_rows).where(evaluation_rows.c.id == evaluation_id)).one_or_none()
    data_key = _or_none(lambda: gateway.vault.data_key(account, evaluation_id))
    shown = _or_none(lambda: evaluations.show(row, data_key, state)) if row is not None and data_key else None
    yield Found(decision, shown is not None and shown.comment == sent.test_string)


@contextmanager
def _memory(sent: Sent) -> Iterator[Found]:
    gateway, account, now = sent.gateway, sent.exchange.admitted.account, sent.gateway.now()
    memory_id, subject = uuid7(now), sent.exchange.admitted.subject
    owner, new = memories.Owner(account, subject.person), NewMemory(text=sent.test_string, app_ids=[], providers=[])
    try:
        with (
            new_key(gateway.vault, memories.CATEGORY, account, memory_id, now) as key,
            gateway.stores.main.write(durable=True) as connection,
        ):
            lock_account(connection, account)
            policy = read_policy(connection, account, steady=True)
            decision = decide(policy, "memories", subject)
            memories.check_allowed(policy, subject)
            memories.add(connection, key, owner, memory_id, new, now, program=subject)
    except NotKept as refused:
        _check_off(refused)
    try:
        yield Found(decision, _memory_text(gateway, account, memory_id) == sent.test_string)
    finally:
        gateway.vault.destroy_keys([memory_id])
        with gateway.stores.main.write(durable=True) as connection:
            memories.remove(connection, owner, memory_id)


def _memory_text(gateway: Gateway, account: UUID, memory_id: UUID) -> str | None:
    with gateway.stores.main.read() as connection:
        row = memories.find(connection, account, memory_id)
    key = _or_none(lambda: gateway.vault.data_key(account, memory_id))
    return _or_none(lambda: memories.text_of(row, key)) if row is not None and key else None


def _check_off(refused: NotKept) -> None:
    """That it is off is what the test is about; anything else keeps it from being made."""
    if not refused.code.endswith("_off"):
        raise Refused(refused.status, refused.code, refused.message)


def _or_none(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except Unreadable:
        return None


_PLANTS: Final[Mapping[ControlName, Callable[[Sent], AbstractContextManager[Found]]]] = {
    "prompt_logging": _prompt,
    "chat_history": _conversation,
    "traces": _trace,
    "evaluations": _evaluation,
    "memories": _memory,
}
