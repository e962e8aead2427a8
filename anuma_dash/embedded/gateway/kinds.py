"""What is stored under the five controls: each category's table, its control, whose it is, and when it arrived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Table, and_, exists, false, func, or_, select

from anuma_dash.gateway.schemas import ContentCategory, ControlName, DeletionScope

from .content_tables import conversations, evaluations, legal_holds, memories, traces
from .tables import request_contents, requests

_NAMES_CONVERSATIONS: Final = ("app_id", "model", "pinned")


@dataclass(frozen=True)
class Kind:
    """One category of stored content. What it says of rows are conditions on `table`.

    Args:
        id: identifies the thing and its data key.
        person: the column of the person whose it is. Of a personal kind the account stands there for service keys,
            of another nothing does.
        arrived: from when its period counts; a conversation's last message, a memory's last change.
        named_by: the field of a deletion's scope that lists such things.
        size: how many bytes of content it has.
    """

    category: ContentCategory
    control: ControlName
    table: Table
    id: Column[UUID]
    person: Column[Any]
    arrived: Column[datetime]
    named_by: str
    size: ColumnElement[int]
    personal: bool = False

    @property
    def account(self) -> Column[UUID]:
        """The column of the account."""
        return self.table.c.account_id

    @property
    def counted_at(self) -> Column[datetime]:
        """On whose day `content_days` counts it: a conversation stays on that of its first message."""
        return self.table.c.created_at if self.category == "conversations" else self.arrived

    @property
    def owner(self) -> ColumnElement[UUID]:
        """Under whom `content_days` counts it: the person, or the account."""
        return self.person if self.personal else func.coalesce(self.person, self.account)

    def of_service(self) -> ColumnElement[bool]:
        """It belongs to no person."""
        return self.person == self.account if self.personal else self.person.is_(None)

    def of(self, account: UUID, owner: UUID | None = None) -> ColumnElement[bool]:
        """It is the account's.

        Args:
            owner: only what belongs to this person, or to no person if it is the account; `None` for all.
        """
        own = self.account == account
        if owner is None:
            return own
        return and_(own, self.of_service() if owner == account else self.person == owner)


def _size_of_content() -> ColumnElement[int]:
    size = select(requests.c.content_bytes).where(requests.c.id == request_contents.c.request_id)
    return size.correlate(request_contents).scalar_subquery()


REQUEST_CONTENT: Final = Kind(
    "request_content",
    "prompt_logging",
    request_contents,
    request_contents.c.request_id,
    request_contents.c.created_by,
    request_contents.c.created_at,
    "request_ids",
    _size_of_content(),
)
TRACES: Final = Kind(
    "traces",
    "traces",
    traces,
    traces.c.id,
    traces.c.created_by,
    traces.c.created_at,
    "request_ids",
    traces.c.bytes,
)
EVALUATIONS: Final = Kind(
    "evaluations",
    "evaluations",
    evaluations,
    evaluations.c.id,
    evaluations.c.created_by,
    evaluations.c.created_at,
    "evaluation_ids",
    evaluations.c.bytes,
)
CONVERSATIONS: Final = Kind(
    "conversations",
    "chat_history",
    conversations,
    conversations.c.id,
    conversations.c.owner,
    conversations.c.updated_at,
    "conversation_ids",
    conversations.c.bytes,
    personal=True,
)
MEMORIES: Final = Kind(
    "memories",
    "memories",
    memories,
    memories.c.id,
    memories.c.owner,
    memories.c.updated_at,
    "memory_ids",
    memories.c.bytes,
    personal=True,
)
KINDS: Final = (REQUEST_CONTENT, TRACES, EVALUATIONS, CONVERSATIONS, MEMORIES)
OF_CONTROL: Final = {kind.control: kind for kind in KINDS}
_LISTS: Final = ("request_ids", "conversation_ids", "memory_ids", "evaluation_ids")


def kinds_of(scope: DeletionScope) -> list[Kind]:
    """The kinds that a deletion of this scope can reach."""
    return [kind for kind in KINDS if scope.category in (kind.category, "all_content")]


def covered(kind: Kind, account: UUID, scope: DeletionScope, accepted_at: datetime) -> ColumnElement[bool]:
    """What of a kind a deletion covers, legal holds aside: what was there when it was accepted.

    What a scope lists or says of conversations covers nothing of other kinds.
    """
    column = kind.table.c
    if kind not in kinds_of(scope) or not _may_name(kind, scope):
        return false()
    conditions = [kind.of(account), column.created_at <= accepted_at]
    if scope.before is not None:
        conditions.append(kind.arrived < scope.before)
    if scope.person is not None:
        conditions.append(kind.person == scope.person)
    if scope.service:
        conditions.append(kind.of_service())
    for name in _LISTS:
        if (listed := getattr(scope, name)) is not None:
            conditions.append((column.request_id if name == "request_ids" else kind.id).in_(listed))
    for name in _NAMES_CONVERSATIONS:
        if (value := getattr(scope, name)) is not None:
            conditions.append(column[name] == value)
    return and_(*conditions)


def _may_name(kind: Kind, scope: DeletionScope) -> bool:
    lists = [name for name in _LISTS if getattr(scope, name) is not None]
    of_requests = "request_id" in kind.table.c
    listed = all(name == kind.named_by or (name == "request_ids" and of_requests) for name in lists)
    described = any(getattr(scope, name) is not None for name in _NAMES_CONVERSATIONS)
    return listed and (kind is CONVERSATIONS or not described)


def is_held(kind: Kind) -> ColumnElement[bool]:
    """A legal hold keeps it. The holds are looked up by the very statement that this becomes a part of."""
    hold = legal_holds.c
    return exists(
        select(hold.id).where(
            hold.account_id == kind.account,
            hold.released_at.is_(None),
            or_(hold.category.is_(None), hold.category == kind.category),
            or_(hold.person.is_(None), hold.person == kind.person),
            or_(hold.arrived_from.is_(None), kind.arrived >= hold.arrived_from),
            or_(hold.arrived_before.is_(None), kind.arrived < hold.arrived_before),
        )
    )
