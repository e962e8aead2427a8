"""The trace of a request."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from anuma_dash.gateway.schemas import Decision, RequestTrace

from .. import problems
from ..encryption import Unreadable
from ..policy import read_policy, retention_cutoff
from ..tracing import read_trace
from .callers import ContentReader
from .request_rows import content_decision, control_decisions
from .requests import find_request

router = APIRouter(tags=["traces"])


@router.get("/accounts/{acc}/requests/{request_id}/trace")
def get_trace(caller: ContentReader, request_id: UUID) -> RequestTrace:
    """The stored steps of a request, or the rule that kept them out."""
    gateway, now = caller.gateway, caller.gateway.now()
    with gateway.stores.main.read() as connection:
        state = read_policy(connection, caller.account).state
        row = find_request(connection, caller, request_id)
        unknown = Decision(stored=False, rule="not_applicable", level="none", epoch=row.content_epoch)
        decision = control_decisions(row, content_decision(row, state, now)).get("traces", unknown)
        if not decision.stored:
            return RequestTrace(trace=decision)
        cutoff = retention_cutoff(state, now, "traces")
        if cutoff is not None and row.created_at <= cutoff:
            expired = {"stored": False, "rule": "expired", "level": "account"}
            return RequestTrace(trace=decision.model_copy(update=expired))
        try:
            steps = read_trace(connection, gateway.vault, caller.account, request_id)
        except Unreadable:
            raise problems.unreadable() from None
    if steps is None:
        gone = {"stored": False, "rule": "deleted", "level": "none"}
        return RequestTrace(trace=decision.model_copy(update=gone))
    return RequestTrace(trace=decision, steps=steps)
