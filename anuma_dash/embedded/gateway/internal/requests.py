"""The request log: metadata lists with filters, one request, and its content apart."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import Connection, Row

from anuma_dash.gateway.schemas import Page, Request, RequestContent, RequestSummary

from .. import problems
from ..policy import read_policy
from ..tables import requests
from .callers import Caller, ContentReader, Reader
from .listing import After, Limit, keyset, page
from .request_filters import Filters, alternatives
from .request_rows import content_decision, select_requests, show_request, show_summary

router = APIRouter(tags=["requests"])


@router.get("/accounts/{acc}/requests")
def list_requests(
    caller: Reader, filters: Annotated[Filters, Depends()], after: After = None, limit: Limit = 50
) -> Page[RequestSummary]:
    """The account's requests, newest first."""
    now = caller.gateway.now()
    with caller.gateway.stores.main.read() as connection:
        policy = read_policy(connection, caller.account)
        query = keyset(select_requests(caller.account), requests.c.id, after, limit)
        wanted = alternatives(connection, caller.account, filters, policy.state, now)
        found = [row for one in wanted for row in connection.execute(query.where(one))]
    rows = sorted(found, key=lambda row: row.id, reverse=True)
    return page(rows, limit, lambda row: show_summary(row, policy.state, now))


@router.get("/accounts/{acc}/requests/{request_id}")
def get_request(caller: Reader, request_id: UUID) -> Request:
    """One request, without its content."""
    with caller.gateway.stores.main.read() as connection:
        policy = read_policy(connection, caller.account)
        return show_request(find_request(connection, caller, request_id), policy.state, caller.gateway.now())


@router.get("/accounts/{acc}/requests/{request_id}/content")
def get_content(caller: ContentReader, request_id: UUID) -> RequestContent:
    """The stored prompt and response, or the rule that kept them out."""
    gateway = caller.gateway
    with gateway.stores.main.read() as connection:
        policy = read_policy(connection, caller.account)
        row = find_request(connection, caller, request_id)
        decision = content_decision(row, policy.state, gateway.now())
        if not decision.stored:
            return RequestContent(content=decision)
        content = gateway.vault.open(connection, caller.account, request_id)
    if content is None:  # its data key is destroyed, the row goes with the next batch
        gone = decision.model_copy(update={"stored": False, "rule": "deleted", "level": "none"})
        return RequestContent(content=gone)
    return RequestContent(content=decision, prompt=list(content.prompt), response=list(content.response))


def find_request(connection: Connection, caller: Caller, request_id: UUID) -> Row[Any]:
    """One request of the account.

    Raises:
        Refused: 404, it has none such.
    """
    query = select_requests(caller.account).where(requests.c.id == request_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise problems.not_found()
    return row
