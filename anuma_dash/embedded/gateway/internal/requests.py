"""The request log: metadata lists with filters, one request, and its content apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, Connection, Row, and_, not_, true

from anuma_dash.gateway.schemas import Page, Request, RequestContent, RequestSummary

from .. import problems
from ..encryption import Unreadable
from ..identifiers import first_uuid7
from ..policy import Policy, read_policy, retention_cutoff
from ..tables import requests
from .callers import Caller, Reader
from .listing import After, Limit, keyset, page
from .request_rows import content_decision, select_requests, show_request, show_summary

router = APIRouter(tags=["requests"])
_MILLISECOND = timedelta(milliseconds=1)
"""As fine as the time in an identifier is ordered for certain."""


@dataclass(frozen=True)
class Filters:
    """Which requests to list. `from` and `to` are moments of arrival, the first included, the second not."""

    key: Annotated[UUID | None, Query()] = None
    model: Annotated[str | None, Query(max_length=200)] = None
    status_class: Annotated[Literal["2xx", "4xx", "5xx"] | None, Query()] = None
    content: Annotated[Literal["stored", "not_stored"] | None, Query()] = None
    person: Annotated[UUID | None, Query()] = None
    from_: Annotated[AwareDatetime | None, Query(alias="from")] = None
    to: Annotated[AwareDatetime | None, Query()] = None
    include_tests: Annotated[bool, Query()] = True

    def condition(self) -> ColumnElement[bool]:
        """The filters that need no policy, each on an index of its own."""
        column = requests.c
        found: list[ColumnElement[bool]] = [true()]
        if self.key is not None:
            found.append(column.key_id == self.key)
        if self.model is not None:
            found.append(column.model == self.model)
        if self.status_class is not None:
            found.append(column.status_class == int(self.status_class[0]))
        if self.person is not None:
            found.append(column.created_by == self.person)
        if self.from_ is not None:
            found += [column.id >= first_uuid7(self.from_), column.created_at >= self.from_]
        if self.to is not None:
            found += [column.id < first_uuid7(self.to + _MILLISECOND), column.created_at < self.to]
        if not self.include_tests:
            found.append(not_(column.is_test))
        return and_(*found)


@router.get("/accounts/{acc}/requests")
def list_requests(
    caller: Reader, filters: Annotated[Filters, Depends()], after: After = None, limit: Limit = 50
) -> Page[RequestSummary]:
    """The account's requests, newest first."""
    now = caller.gateway.now()
    with caller.gateway.stores.main.read() as connection:
        policy = read_policy(connection, caller.account)
        query = keyset(select_requests(caller.account).where(filters.condition()), requests.c.id, after, limit)
        alternatives = [connection.execute(query.where(one)).all() for one in _content(filters, policy, now)]
    rows = sorted((row for found in alternatives for row in found), key=lambda row: row.id, reverse=True)
    return page(rows, limit, lambda row: show_summary(row, policy.state, now))


@router.get("/accounts/{acc}/requests/{request_id}")
def get_request(caller: Reader, request_id: UUID) -> Request:
    """One request, without its content."""
    with caller.gateway.stores.main.read() as connection:
        policy = read_policy(connection, caller.account)
        return show_request(_find(connection, caller, request_id), policy.state, caller.gateway.now())


@router.get("/accounts/{acc}/requests/{request_id}/content")
def get_content(caller: Reader, request_id: UUID) -> RequestContent:
    """The stored prompt and response, or the rule that kept them out."""
    gateway = caller.gateway
    with gateway.stores.main.read() as connection:
        policy = read_policy(connection, caller.account)
        row = _find(connection, caller, request_id)
        decision = content_decision(row, policy.state, gateway.now())
        if not decision.stored:
            return RequestContent(content=decision)
        try:
            content = gateway.vault.open(connection, caller.account, request_id)
        except Unreadable:
            raise problems.Refused(500, "content_unreadable", "The content does not decrypt.") from None
    if content is None:  # its data key is destroyed, the row goes with the next batch
        gone = decision.model_copy(update={"stored": False, "rule": "deleted", "level": "none"})
        return RequestContent(content=gone)
    return RequestContent(content=decision, prompt=list(content.prompt), response=list(content.response))


def _find(connection: Connection, caller: Caller, request_id: UUID) -> Row[Any]:
    query = select_requests(caller.account).where(requests.c.id == request_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise problems.not_found()
    return row


def _content(filters: Filters, policy: Policy, now: datetime) -> list[ColumnElement[bool]]:
    """Alternatives that exclude each other, so that each of them is a range of one index."""
    if filters.content is None:
        return [true()]
    column, cutoff = requests.c, retention_cutoff(policy.state, now)
    stored, kept_out = column.content_stored, not_(column.content_stored)
    if cutoff is None:
        return [stored if filters.content == "stored" else kept_out]
    if filters.content == "stored":
        return [and_(stored, column.id >= first_uuid7(cutoff), column.created_at > cutoff)]
    past = and_(stored, column.id < first_uuid7(cutoff + _MILLISECOND), column.created_at <= cutoff)
    return [kept_out, past]
