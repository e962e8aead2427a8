"""The controls as obeyed, and the one decision about storing that all callers share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, Dialect, Row, bindparam, select

from anuma_dash.gateway.schemas import (
    ControlInEffect,
    ControlName,
    Controls,
    Decision,
    PersonalControlName,
    PersonalInEffect,
    RequestedControls,
    StricterControl,
    StricterInEffect,
)

from .statements import Cursor, Statement
from .tables import accounts, controls

CONTROL_NAMES: Final[tuple[ControlName, ...]] = get_args(ControlName)
PERSONAL: Final[tuple[PersonalControlName, ...]] = get_args(PersonalControlName)
DEFAULT_RETENTION_DAYS: Final = 30
Level = Literal["account", "app", "key", "person", "request", "none"]
Stricter = dict[UUID, dict[ControlName, StricterInEffect]]
Personal = dict[UUID, dict[PersonalControlName, PersonalInEffect]]


class State(BaseModel):
    """What a controls row holds: every control, the lower levels that only switch off, and what people chose."""

    model_config = ConfigDict(frozen=True)

    controls: dict[ControlName, ControlInEffect]
    apps: Stricter = {}
    keys: Stricter = {}
    people: Personal = {}


@dataclass(frozen=True)
class Subject:
    """Whose request a decision is about: the key, its app, the person whose key it is, and what it is stricter in."""

    key_id: UUID
    app_id: UUID
    person: UUID | None
    stricter: frozenset[str] = frozenset()
    """By its making; what `State.keys` says of it takes the place of that."""


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
            people=setting.people,
        )
    new = StricterInEffect(since=now, since_epoch=requested.epoch)
    return State(
        controls=settings,
        apps=_stricter(present.apps, requested.apps, new),
        keys=_stricter(present.keys, requested.keys, new),
        people=_personal(present.people, requested, now),
    )


def _stricter(
    present: Stricter, requested: dict[UUID, dict[ControlName, StricterControl]], new: StricterInEffect
) -> Stricter:
    return {one: {name: present.get(one, {}).get(name, new) for name in off} for one, off in requested.items()}


def _personal(present: Personal, requested: RequestedControls, now: datetime) -> Personal:
    made: Personal = {}
    for person, settings in requested.people.items():
        made[person] = {}
        for name, setting in settings.items():
            before = present.get(person, {}).get(name)
            kept = before is not None and before.enabled == setting.enabled
            made[person][name] = PersonalInEffect(
                enabled=setting.enabled,
                retention_days=setting.retention_days,
                since=before.since if kept and before else now,
                since_epoch=before.since_epoch if kept and before else requested.epoch,
            )
    return made


def body_hash(requested: BaseModel | dict[str, object]) -> str:
    """SHA-256 of the body's canonical JSON: all fields with their defaults, sorted keys, no spaces."""
    body = requested.model_dump(mode="json") if isinstance(requested, BaseModel) else requested
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@lru_cache(maxsize=256)
def parse_state(text: str) -> State:
    """Parse a row. The parse is remembered by the text itself: the row is read anew each time."""
    return State.model_validate_json(text)


@lru_cache(maxsize=256)
def parse_stricter(text: str) -> frozenset[str]:
    """The controls that a key was made without."""
    return frozenset(json.loads(text))


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


def decide(policy: Policy, control: ControlName, subject: Subject) -> Decision:
    """Whether content is stored. A lower level may only be stricter; a personal control is the person's own choice."""

    def no(rule: str, level: Level) -> Decision:
        return Decision(stored=False, rule=rule, level=level, epoch=policy.epoch)

    state = policy.state
    setting = state.controls[control]
    if policy.account_status != "active":
        return no("account_suspended", "account")
    own = control in PERSONAL and subject.person is not None
    if own and setting.people == "forbidden":
        return no("people_forbidden", "account")
    if not own and not setting.enabled:
        return no("account_control", "account")
    if own and not _chosen(state, control, subject.person):
        return no("person_control", "person")
    if control in state.apps.get(subject.app_id, {}):
        return no("app_control", "app")
    if control in state.keys.get(subject.key_id, subject.stricter):
        return no("key_control", "key")
    level: Level = "person" if own else "account"
    return Decision(stored=True, rule=f"{level}_control", level=level, epoch=policy.epoch)


def _chosen(state: State, control: str, person: UUID | None) -> bool:
    settings: dict[Any, PersonalInEffect] = state.people.get(person, {}) if person else {}
    return control in settings and settings[control].enabled


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
    state = parse_state(row.state)
    return Controls(
        epoch=row.epoch,
        body_hash=row.body_hash,
        applied_at=row.applied_at,
        in_effect=True,
        in_effect_at=row.applied_at,
        **{name: getattr(state, name) for name in State.model_fields},
    )


def controls_for(controls: Controls, person: UUID | None) -> Controls:
    """The controls as this person may see them: what others chose for themselves is theirs. `None` sees it all."""
    if person is None:
        return controls
    return controls.model_copy(update={"people": {one: own for one, own in controls.people.items() if one == person}})


def retention_days(state: State, control: ControlName, person: UUID | None = None) -> int | None:
    """How many days content of a control is kept, `None` until deleted.

    Args:
        person: whose content it is, of a personal control; `None` for what service keys send.
    """
    if control in PERSONAL and person is not None:
        settings: dict[Any, PersonalInEffect] = state.people.get(person, {})
        return settings[control].retention_days if control in settings else DEFAULT_RETENTION_DAYS
    return state.controls[control].retention_days


def retention_cutoff(
    state: State, now: datetime, control: ControlName = "prompt_logging", person: UUID | None = None
) -> datetime | None:
    """What arrived before this is past its period; `None` if it is kept until deleted."""
    days = retention_days(state, control, person)
    return None if days is None else now - timedelta(days=days)
