"""Evaluations of a request: listed, and given by a person on a page."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, status
from sqlalchemy import Connection, select

from anuma_dash.gateway.schemas import Evaluation, NewEvaluation, Page

from .. import evaluations as work
from .. import problems
from ..content_tables import evaluations
from ..encryption import Unreadable
from ..identifiers import uuid7
from ..keeping import NotKept, new_key
from ..policy import read_policy
from ..problems import Refused
from . import idempotency
from .callers import Caller, ContentReader, Writer
from .listing import After, Limit, keyset

router = APIRouter(tags=["evaluations"])


@router.get("/accounts/{acc}/requests/{request_id}/evaluations")
def list_evaluations(
    caller: ContentReader, request_id: UUID, after: After = None, limit: Limit = 50
) -> Page[Evaluation]:
    """The evaluations of a request that are not past their period, newest first."""
    gateway = caller.gateway
    with gateway.stores.main.read() as connection:
        if work.find_request(connection, caller.account, request_id) is None:
            raise problems.not_found()
        state = read_policy(connection, caller.account).state
        kept = work.unexpired(caller.account, state, gateway.now())
        query = select(evaluations).where(evaluations.c.request_id == request_id, kept)
        rows = connection.execute(keyset(query, evaluations.c.id, after, limit)).all()
    keys = gateway.vault.data_keys(caller.account, [row.id for row in rows])
    try:
        shown = [work.show(row, keys[row.id], state) for row in rows[:limit] if row.id in keys]
    except Unreadable:
        raise problems.unreadable() from None
    return Page(data=shown, next=str(rows[limit - 1].id) if len(rows) > limit else None)


@router.post("/accounts/{acc}/requests/{request_id}/evaluations", status_code=status.HTTP_201_CREATED)
def create_evaluation(
    caller: Writer, request_id: UUID, body: NewEvaluation, idempotency_key: idempotency.Key
) -> Evaluation:
    """Evaluate a request. Refused with the code `evaluations_off` while the control is off for that request."""
    gateway, account, now = caller.gateway, caller.account, caller.gateway.now()
    repeatable = idempotency.Repeatable(
        caller, idempotency_key, f"create_evaluation {request_id}", idempotency.Unsaid()
    )
    evaluation_id = uuid7(now)
    with (
        new_key(gateway.vault, work.CATEGORY, account, evaluation_id, now) as key,
        gateway.stores.main.write(durable=True) as connection,
    ):
        idempotency.lock_account(connection, account)
        earlier = repeatable.earlier(connection)
        if earlier is not None:
            return _again(connection, caller, idempotency.Named.model_validate_json(earlier).id, body)
        request = work.find_request(connection, account, request_id)
        if request is None:
            raise problems.not_found()
        giver = work.Giver(person=caller.token.person)
        try:
            made = work.add(connection, key, account, request, evaluation_id, body, giver, now)
        except NotKept as refused:
            raise Refused(refused.status, refused.code, refused.message) from None
        repeatable.remember(connection, idempotency.Named(id=evaluation_id))
    return made


def _again(connection: Connection, caller: Caller, evaluation_id: UUID, body: NewEvaluation) -> Evaluation:
    state = read_policy(connection, caller.account).state
    kept = work.unexpired(caller.account, state, caller.gateway.now())
    row = connection.execute(select(evaluations).where(evaluations.c.id == evaluation_id, kept)).one_or_none()
    key = caller.gateway.vault.data_key(caller.account, evaluation_id)
    if row is None or key is None:
        raise problems.not_found()
    found = work.show(row, key, state)
    if (found.name, found.score, found.comment) != (body.name, body.score, body.comment):
        raise idempotency.reused()
    return found
