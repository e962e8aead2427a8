"""What is stored of one request: content, trace, evaluations. Who opens any of it is on record before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash.audit import AuditDetail, AuditEntry, AuditObject, Event, is_recorded, record
from anuma_dash.domain.activity_words import actor_name
from anuma_dash.domain.deletions import Deletion, request_deletion
from anuma_dash.errors import Conflict, GatewayRefused, NotAllowed, NotFound
from anuma_dash.features.requests.service import MISSING, find_request, may_read_content
from anuma_dash.gateway import schemas
from anuma_dash.gateway.deadline import deadline
from anuma_dash.identity import Actor
from anuma_dash.workflows import Context

READERS_ONLY = "Only the account's owners, and the person whose key sent it, may read this."
OPENED = {
    Event.CONTENT_READ.value.name: "prompt and response",
    Event.TRACE_READ.value.name: "trace",
    Event.EVALUATIONS_READ.value.name: "evaluations",
}
OPENINGS_SHOWN = 20
EVALUATIONS_SHOWN = 100
EVALUATIONS_OFF = "Evaluations are off, so the gateway takes none. Nothing was stored."
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Opening:
    """That somebody opened a part of what is stored. `staff` is said apart: they work for the service."""

    name: str
    staff: bool
    part: str
    at: datetime


def openings(tx: Session, account_id: UUID, request_id: UUID) -> list[Opening]:
    """Who opened what is stored of this request, latest first, as far back as the activity goes."""
    about = AuditObject.kind == "request", AuditObject.object_id == str(request_id)
    rows = tx.execute(
        select(AuditEntry, AuditDetail)
        .join(AuditObject, AuditObject.entry_id == AuditEntry.id)
        .outerjoin(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        .where(*about, AuditObject.chain == account_id, AuditEntry.event.in_(OPENED))
        .order_by(AuditObject.at.desc(), AuditObject.number.desc())
        .limit(OPENINGS_SHOWN)
    )
    return [
        Opening(
            name=actor_name(entry.actor_kind, detail.body.get("actor", "") if detail else ""),
            staff=entry.actor_kind == "staff" or entry.support_session_id is not None,
            part=OPENED[entry.event],
            at=entry.at,
        )
        for entry, detail in rows
    ]


def read_content(
    context: Context, actor: Actor, account_id: UUID, request_id: UUID
) -> tuple[schemas.Request, schemas.RequestContent]:
    """The stored prompt and response of a request. Raises `NotFound`, `NotAllowed`, `GatewayError`."""
    ask = context.gateway.request_content
    found, content = _read(context, actor, account_id, request_id, lambda: ask(actor, account_id, request_id))
    if content.content.stored:
        _note(context, actor, Event.CONTENT_READ, account_id, request_id)
    return found, content


def read_trace(
    context: Context, actor: Actor, account_id: UUID, request_id: UUID
) -> tuple[schemas.Request, schemas.RequestTrace]:
    """The stored steps of a request. Raises `NotFound`, `NotAllowed`, `GatewayError`."""
    ask = context.gateway.request_trace
    found, trace = _read(context, actor, account_id, request_id, lambda: ask(actor, account_id, request_id))
    if trace.trace.stored:
        _note(context, actor, Event.TRACE_READ, account_id, request_id)
    return found, trace


def read_evaluations(
    context: Context, actor: Actor, account_id: UUID, request_id: UUID
) -> tuple[schemas.Request, schemas.Page[schemas.Evaluation]]:
    """What people and programs said of a request, newest first. Raises `NotFound`, `NotAllowed`, `GatewayError`."""
    ask, most = context.gateway.evaluations, EVALUATIONS_SHOWN
    found, rows = _read(context, actor, account_id, request_id, lambda: ask(actor, account_id, request_id, limit=most))
    if rows.data:
        _note(context, actor, Event.EVALUATIONS_READ, account_id, request_id)
    return found, rows


def find_readable(context: Context, actor: Actor, account_id: UUID, request_id: UUID) -> schemas.Request:
    """The metadata of a request whose stored content the actor may read. Raises `NotFound`, `NotAllowed`,
    `GatewayError`."""
    found = find_request(context, actor, account_id, request_id)
    if not may_read_content(actor, found):
        raise NotAllowed(READERS_ONLY)
    return found


def _read(
    context: Context, actor: Actor, account_id: UUID, request_id: UUID, ask: Callable[[], Answer]
) -> tuple[schemas.Request, Answer]:
    """Whose request it is is asked before the content is, not together with it: content which may not be read must not
    travel. The two calls share one budget."""
    with deadline(context.gateway.budget_seconds):
        found = find_readable(context, actor, account_id, request_id)
        return found, _existing(ask)


def _existing(ask: Callable[[], Answer]) -> Answer:
    try:
        return ask()
    except GatewayRefused as error:
        if error.status == 404:
            raise NotFound(MISSING) from None
        raise


def _note(context: Context, actor: Actor, event: Event, account_id: UUID, request_id: UUID) -> None:
    with context.db.recording() as tx:
        record(tx, actor, event, at=context.clock(), account_id=account_id, gateway_request_id=request_id)


def add_evaluation(
    context: Context, actor: Actor, account_id: UUID, request_id: UUID, token: UUID, wish: schemas.NewEvaluation
) -> schemas.Evaluation:
    """Evaluate a request. The same `token` does it once. Raises `NotFound`, `NotAllowed`, `Conflict` while evaluations
    are off, `GatewayError`."""
    with deadline(context.gateway.budget_seconds):
        find_readable(context, actor, account_id, request_id)
        gateway = context.gateway
        try:
            made = _existing(lambda: gateway.create_evaluation(actor, account_id, request_id, wish, str(token)))
        except GatewayRefused as error:
            if error.code == "evaluations_off":
                raise Conflict(EVALUATIONS_OFF) from None
            raise
    with context.db.transaction(durable=True) as tx:
        if not is_recorded(tx, Event.EVALUATION_ADDED, account_id, "evaluation", made.id):
            named = {"gateway_request_id": request_id, "evaluation_id": made.id}
            record(tx, actor, Event.EVALUATION_ADDED, at=context.clock(), account_id=account_id, **named)
    return made


def delete_evaluation(
    context: Context, actor: Actor, account_id: UUID, request_id: UUID, evaluation_id: UUID, token: UUID
) -> Deletion:
    """Ask for an evaluation of a request that the actor may read (`find_readable`) to be deleted."""
    scope = schemas.DeletionScope(category="evaluations", request_ids=[request_id], evaluation_ids=[evaluation_id])
    return request_deletion(context, actor, account_id, scope, count=1, token=token)
