"""Whom a setting is about, and what it says: the account, an app, a key or a person, in a whole requested state."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, cast
from uuid import UUID

from anuma_dash.gateway import schemas

DEFAULT_RETENTION_DAYS = 30
PERIODS: tuple[int | None, ...] = (1, 7, 30, 90, 180, 365, None)
"""The periods that can be chosen, in days; `None` is "until I delete it"."""

Level = Literal["account", "app", "key", "person"]
Aspect = Literal["switch", "retention", "people"]


@dataclass(frozen=True)
class Scope:
    """A control at one level. `target_id` is the app, the key or the person; the account has none."""

    control: schemas.ControlName
    level: Level = "account"
    target_id: UUID | None = None


@dataclass(frozen=True)
class Value:
    """What a setting says. At an app and a key, `enabled` is whether it leaves the control as the account has it.

    `forbidden` is whether people may not switch a personal control on for themselves; the account alone says so.
    """

    enabled: bool = False
    retention_days: int | None = DEFAULT_RETENTION_DAYS
    forbidden: bool = False

    def of(self, aspect: Aspect) -> object:
        """One aspect of it, to compare."""
        return {"switch": self.enabled, "retention": self.retention_days, "people": self.forbidden}[aspect]

    def word(self, aspect: Aspect) -> str:
        """One aspect of it, as the activity and the pages say it."""
        if aspect == "retention":
            return period_words(self.retention_days)
        if aspect == "people":
            return "forbidden" if self.forbidden else "everybody's own choice"
        return "on" if self.enabled else "off"


def period_words(days: int | None) -> str:
    """A period in words."""
    return "until deleted" if days is None else "1 day" if days == 1 else f"{days} days"


def is_longer(new: int | None, old: int | None) -> bool:
    """Whether a period keeps content longer than another."""
    return old is not None and (new is None or new > old)


def initial_state() -> dict[str, Any]:
    """The state of a new account: everything off."""
    names = cast(tuple[str, ...], schemas.ControlName.__args__)  # type: ignore[attr-defined]
    off = {"enabled": False, "retention_days": DEFAULT_RETENTION_DAYS, "people": "own_choice"}
    return {"controls": {name: dict(off) for name in names}, "apps": {}, "keys": {}, "people": {}}


def value_in(state: dict[str, Any], scope: Scope) -> Value:
    """What a requested state says at a scope."""
    if scope.level in ("app", "key"):
        rules = state["apps" if scope.level == "app" else "keys"].get(str(scope.target_id), {})
        return Value(enabled=scope.control not in rules)
    if scope.level == "person":
        return _value(state["people"].get(str(scope.target_id), {}).get(scope.control))
    return _value(state["controls"][scope.control])


def _value(setting: dict[str, Any] | None) -> Value:
    if setting is None:
        return Value()
    days = setting.get("retention_days", DEFAULT_RETENTION_DAYS)
    return Value(setting["enabled"], days, setting.get("people") == "forbidden")


def told_value(told: schemas.Controls, scope: Scope) -> Value:
    """What the gateway says at a scope."""
    if scope.level in ("app", "key"):
        rules = (told.apps if scope.level == "app" else told.keys).get(cast(UUID, scope.target_id), {})
        return Value(enabled=scope.control not in rules)
    if scope.level == "person":
        own: dict[Any, schemas.PersonalInEffect] = told.people.get(cast(UUID, scope.target_id), {})
        found = own.get(scope.control)
        return Value(found.enabled, found.retention_days) if found else Value()
    setting = told.controls[scope.control]
    return Value(setting.enabled, setting.retention_days, setting.people == "forbidden")


def with_value(state: dict[str, Any], scope: Scope, value: Value, made_with: Iterable[str] = ()) -> dict[str, Any]:
    """A whole state with one setting changed. `made_with` is what a key was made stricter in."""
    made = deepcopy(state)
    target = str(scope.target_id)
    if scope.level in ("app", "key"):
        part = made["apps" if scope.level == "app" else "keys"]
        rules = part.setdefault(target, {name: {"enabled": False} for name in made_with})
        if value.enabled:
            rules.pop(scope.control, None)
        else:
            rules[scope.control] = {"enabled": False}
        if scope.level == "app" and not rules:
            del part[target]
        return made
    if scope.level == "person":
        own = {"enabled": value.enabled, "retention_days": value.retention_days}
        made["people"].setdefault(target, {})[scope.control] = own
        return made
    people = "forbidden" if value.forbidden else "own_choice"
    setting = {"enabled": value.enabled, "retention_days": value.retention_days, "people": people}
    made["controls"][scope.control] = setting
    return made


def says_the_same(told: schemas.Controls, state: dict[str, Any]) -> bool:
    """Whether the gateway's answer holds every value of a requested state, at every level, and no other."""
    names = state["controls"].keys()
    if told.controls.keys() != names:
        return False
    if any(told_value(told, Scope(name)) != value_in(state, Scope(name)) for name in names):
        return False
    if _rules(told.apps) != _rules(state["apps"]) or _rules(told.keys) != _rules(state["keys"]):
        return False
    people = {
        (str(person), str(name)): (own.enabled, own.retention_days)
        for person, settings in told.people.items()
        for name, own in settings.items()
    }
    return people == {
        (person, name): (own["enabled"], own["retention_days"])
        for person, settings in state["people"].items()
        for name, own in settings.items()
    }


def _rules(part: dict[Any, Any]) -> set[tuple[str, str]]:
    return {(str(target), str(name)) for target, rules in part.items() for name in rules}
