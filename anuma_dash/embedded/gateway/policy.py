"""The controls as obeyed, and the one decision about storing that all callers share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Dialect, Row, bindparam, select

from anuma_dash.gateway.schemas import (
    ControlInEffect,
    ControlName,
    Controls,
    Decision,
    RequestedControls,
    StricterControl,
)

from .statements import Cursor, Statement
from .tables import accounts, controls

CONTROL_NAMES: Final[tuple[ControlName, ...]] = get_args(ControlName)
DEFAULT_RETENTION_DAYS: Final = 30
Level = Literal["account", "app", "key", "person", "request", "none"]
Stricter = dict[UUID, dict[ControlName, StricterControl]]


class State(BaseModel):
    """What a controls row holds: every control, and the lower levels that only switch off."""

    model_config = ConfigDict(frozen=True)

    controls: dict[ControlName, ControlInEffect]
    apps: Stricter = {}
    keys: Stricter = {}
    people: Stricter = {}


@dataclass(frozen=True)
class Policy:
    """An account's state and controls, as read in one transaction. It is never kept beyond that use."""

    account_status: str
    epoch: int
    state: State


_HOLD = select(accounts.c.id).where(accounts.c.id == bindparam("account")).with_for_update(read=True)
_READ = (
    select(accounts.c.status, controls.c.epoch, controls.c.state)
    .join(controls, controls.c.account_id == accounts.c.id)
    .where(accounts.c.id == bindparam("account"))
)
_HOLD_QUICKLY, _READ_QUICKLY = Statement(_HOLD), Statement(_READ)


def new_state(since: datetime) -> State:
    """The state of a new account: everything off."""
    off = ControlInEffect(enabled=False, retention_days=DEFAULT_RETENTION_DAYS, since=since, since_epoch=0)
    return State(controls=dict.fromkeys(CONTROL_NAMES, off))


def next_state(present: State, requested: RequestedControls, now: datetime) -> State:
    """The state after a request: a control whose on/off value does not change keeps its `since`."""
    settings = {}
    for name, setting in requested.controls.items():
        before = present.controls[name]
        kept = before.enabled == setting.enabled
        settings[name] = ControlInEffect(
            enabled=setting.enabled,
            retention_days=setting.retention_days,
            since=before.since if kept else now,
            since_epoch=before.since_epoch if kept else requested.epoch,
        )
    return State(controls=settings, apps=requested.apps, keys=requested.keys, people=requested.people)


def body_hash(requested: BaseModel | dict[str, object]) -> str:
    """SHA-256 of the body's canonical JSON: all fields with their defaults, sorted keys, no spaces."""
    body = requested.model_dump(mode="json") if isinstance(requested, BaseModel) else requested
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@lru_cache(maxsize=256)
def parse_state(text: str) -> State:
    """Parse a row. The parse is remembered by the text itself: the row is read anew each time."""
    return State.model_validate_json(text)


def read_policy(connection: Connection, account: UUID, *, steady: bool = False) -> Policy:
    """Read what an account's policy is now.

    Args:
        steady: hold off changes until this transaction ends (PostgreSQL; SQLite's writes are one at a time anyway).
    """
    if steady:  # a statement of its own: what follows sees what was committed while this one waited
        connection.execute(_HOLD, {"account": account})
    row = connection.execute(_READ, {"account": account}).one()
    return Policy(account_status=row.status, epoch=row.epoch, state=parse_state(row.state))


def read_policy_quickly(cursor: Cursor, dialect: Dialect, account: UUID, *, steady: bool = False) -> Policy:
    """The same on the hot path, in the driver's transaction."""
    if steady:
        _HOLD_QUICKLY.run(cursor, dialect, {"account": account})
    ((status, epoch, state),) = _READ_QUICKLY.rows(cursor, dialect, {"account": account})
    return Policy(account_status=status, epoch=epoch, state=parse_state(state))


def decide(policy: Policy, control: ControlName, key_id: UUID, person: UUID | None) -> Decision:
    """Whether content is stored: account, then key, then person; a lower level may only be stricter."""

    def no(rule: str, level: Level) -> Decision:
        return Decision(stored=False, rule=rule, level=level, epoch=policy.epoch)

    if policy.account_status != "active":
        return no("account_suspended", "account")
    if not policy.state.controls[control].enabled:
        return no("account_control", "account")
    if control in policy.state.keys.get(key_id, {}):
        return no("key_control", "key")
    if person is not None and control in policy.state.people.get(person, {}):
        return no("person_control", "person")
    return Decision(stored=True, rule="account_control", level="account", epoch=policy.epoch)


def decide_again(at_arrival: Decision, at_write: Decision) -> Decision:
    """The decision when both moments count: content is stored only if allowed at arrival and at the write."""
    if at_arrival.stored and at_write.stored:
        return at_write
    if at_arrival.stored:
        if at_write.rule == "account_suspended":
            return at_write
        return at_write.model_copy(update={"rule": "control_off_at_write"})
    if at_write.stored and at_arrival.rule.endswith("_control"):
        return at_arrival.model_copy(update={"rule": "control_off_at_arrival"})
    return at_arrival


def controls_of(row: Row[tuple[object, ...]]) -> Controls:
    """The controls row as the contract shows it. This gateway keeps no copy of a policy: applied is in effect."""
    return Controls(
        epoch=row.epoch,
        body_hash=row.body_hash,
        applied_at=row.applied_at,
        in_effect=True,
        in_effect_at=row.applied_at,
        controls=parse_state(row.state).controls,
    )


def retention_cutoff(state: State, now: datetime) -> datetime | None:
    """Request content that arrived before this is past its period; `None` if it is kept until deleted."""
    days = state.controls["prompt_logging"].retention_days
    return None if days is None else now - timedelta(days=days)
