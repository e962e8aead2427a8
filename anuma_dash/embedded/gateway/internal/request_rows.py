"""Requests as the contract shows them. The metadata never holds content."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select

from anuma_dash.gateway.schemas import ControlName, Decision, Request, RequestSummary

from ..policy import State, retention_cutoff
from ..tables import api_keys, apps, requests

_MADE = ("content", "controls", "expires_at")
_SUMMARY = tuple(name for name in RequestSummary.model_fields if name not in _MADE)
_WHOLE = tuple(name for name in Request.model_fields if name not in _MADE)


def select_requests(account: UUID) -> Select[Any]:
    """The account's requests with their keys' names."""
    return (
        select(
            requests,
            api_keys.c.name.label("key_name"),
            api_keys.c.last_four.label("key_last_four"),
            api_keys.c.app_id,
            apps.c.name.label("app_name"),
        )
        .join(api_keys, api_keys.c.id == requests.c.key_id)
        .join(apps, apps.c.id == api_keys.c.app_id)
        .where(requests.c.account_id == account)
    )


def show_summary(row: Row[Any], state: State, now: datetime) -> RequestSummary:
    """One row of a list."""
    fields = {name: getattr(row, name) for name in _SUMMARY}
    content = content_decision(row, state, now)
    return RequestSummary(**fields, content=content, controls=control_decisions(row, content))


def show_request(row: Row[Any], state: State, now: datetime) -> Request:
    """One request with its price and its provider's terms."""
    fields = {name: getattr(row, name) for name in _WHOLE}
    decision = content_decision(row, state, now)
    cutoff = retention_cutoff(state, now)
    ends = row.created_at + (now - cutoff) if decision.stored and cutoff is not None else None
    return Request(**fields, content=decision, controls=control_decisions(row, decision), expires_at=ends)


def control_decisions(row: Row[Any], content: Decision) -> dict[ControlName, Decision]:
    """What each control decided when the request was written; of requests from before there were others, one."""
    decided: dict[ControlName, Decision] = {"prompt_logging": content}
    for name, (stored, rule, level) in decided_of(row).items():
        decided[name] = Decision(stored=stored, rule=rule, level=level, epoch=row.content_epoch)
    return decided


def decided_of(row: Row[Any]) -> dict[ControlName, tuple[bool, str, Any]]:
    """What the other controls decided: whether something was stored, by which rule, of which level."""
    return _others(row.other_controls or "{}")


@lru_cache(maxsize=256)
def _others(text: str) -> dict[ControlName, tuple[bool, str, Any]]:
    found: dict[ControlName, tuple[bool, str, Any]] = json.loads(text)
    return found


def content_decision(row: Row[Any], state: State, now: datetime) -> Decision:
    """What became of the content: what is past its period counts as gone, even before the purge."""
    decision = Decision(
        stored=row.content_stored, rule=row.content_rule, level=row.content_level, epoch=row.content_epoch
    )
    cutoff = retention_cutoff(state, now)
    if decision.stored and cutoff is not None and row.created_at <= cutoff:
        return decision.model_copy(update={"stored": False, "rule": "expired", "level": "account"})
    return decision
