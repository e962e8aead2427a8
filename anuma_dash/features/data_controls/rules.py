"""Which apps and keys are stricter than the account, and what would happen to a key's next request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from anuma_dash.db import id_of
from anuma_dash.domain.controls import CONTROLS, Control, ControlState, Scope, control_state, standing
from anuma_dash.errors import GatewayError, GatewayRefused, Invalid
from anuma_dash.features.data_controls.service import ask_data_state
from anuma_dash.gateway import schemas
from anuma_dash.identity import Actor, Permission
from anuma_dash.workflows import Context

WHY = {
    "account_control": "because the account says {word}",
    "app_control": "because the app {app} says off",
    "key_control": "because the key itself says off",
    "person_control": "because of the own choice of the person whose key it is",
    "people_forbidden": "because the account does not let people switch it on",
    "account_suspended": "because the account is suspended or closed",
}


@dataclass(frozen=True)
class RuleLine:
    """An app or a key that is stricter in a control, or may be. `by_making`: the key was made without it."""

    scope: Scope
    control: Control
    name: str
    state: ControlState
    by_making: bool = False

    @property
    def target(self) -> str:
        """As the form names it."""
        return f"{self.scope.level}:{self.scope.target_id}"


@dataclass(frozen=True)
class Rules:
    """The page. `told` is None if the gateway cannot be asked; `problem` then says why."""

    lines: Sequence[RuleLine]
    told: schemas.DataState | None
    problem: str
    policy: schemas.EffectivePolicy | None
    policy_problem: str

    @property
    def targets(self) -> list[tuple[str, str]]:
        """The apps and keys that can be made stricter."""
        if self.told is None:
            return []
        apps = [(f"app:{app.id}", f"App {app.name}") for app in self.told.apps if app.is_active]
        return apps + [(f"key:{key.id}", f"Key {key.name}") for key in self.told.keys if key.state == "active"]

    @property
    def sentences(self) -> list[tuple[Control, str, str, bool]]:
        """Of each control: what would happen to the key's next request, why, and whether it is stored."""
        if self.policy is None:
            return []
        found = []
        for name, decision in self.policy.decisions.items():
            control = CONTROLS[name]
            words = "are stored" if decision.stored else "are not stored"
            why = WHY.get(decision.rule, f"because of the rule {decision.rule.replace('_', ' ')}")
            word = "on" if decision.stored else "off"
            why = why.format(word=word, app=self.policy.app_name)
            found.append((control, f"{control.subject} {words}", why, decision.stored))
        return found


def read_rules(context: Context, actor: Actor, account_id: UUID, key: str, model: str) -> Rules:
    """The page, with one call to the gateway, and a second for the key that is asked about. Raises `NotAllowed`."""
    actor.require(Permission.READ_CONTROLS)
    with context.db.reading() as tx:
        floor = standing(tx, account_id).confirmed_epoch
    told, problem = ask_data_state(context, actor, account_id)
    policy, policy_problem = _ask_policy(context, actor, account_id, key, model) if key else (None, "")
    with context.db.reading() as tx:
        known = standing(tx, account_id)
    scopes = {scope for scope, aspect in known.unsettled if aspect == "switch" and scope.level in ("app", "key")}
    for change in (known.confirmed, known.latest):
        scopes |= _scopes(change.state["apps"], "app") | _scopes(change.state["keys"], "key") if change else set()
    names: dict[UUID | None, str] = {}
    if told is not None:
        scopes |= _scopes(told.controls.apps, "app") | _scopes(told.controls.keys, "key")
        names.update({app.id: app.name for app in told.apps})
        names.update({key.id: key.name for key in told.keys})
    now, obeyed = context.clock(), told.controls if told else None
    lines = [
        RuleLine(scope, CONTROLS[scope.control], names.get(scope.target_id, str(scope.target_id)), state)
        for scope in scopes
        if (state := control_state(scope, known, obeyed, floor, now)).name != "on"
    ]
    lines += _by_making(told, known.latest.state["keys"] if known.latest else {}, lines)
    lines.sort(key=lambda line: (line.scope.level, line.name, line.control.label))
    return Rules(lines, told, problem, policy, policy_problem)


def _scopes(part: dict[Any, Any], level: str) -> set[Scope]:
    return {
        Scope(cast(Any, name), cast(Any, level), UUID(str(target))) for target, rules in part.items() for name in rules
    }


def _by_making(told: schemas.DataState | None, named: dict[str, Any], lines: Sequence[RuleLine]) -> list[RuleLine]:
    if told is None:
        return []
    shown = {line.scope for line in lines}
    found = []
    for key in told.keys:
        if key.state != "active" or key.id in told.controls.keys or str(key.id) in named:
            continue
        for name in key.made_without:
            scope = Scope(name, "key", key.id)
            if scope not in shown:
                state = ControlState("off", False, epoch=told.controls.epoch, since=key.in_effect_at)
                found.append(RuleLine(scope, CONTROLS[name], key.name, state, by_making=True))
    return found


def _ask_policy(
    context: Context, actor: Actor, account_id: UUID, key: str, model: str
) -> tuple[schemas.EffectivePolicy | None, str]:
    key_id = id_of(key)
    if key_id is None:
        return None, "There is no such key."
    try:
        return context.gateway.effective_policy(actor, account_id, key=key_id, model=model or None), ""
    except GatewayError as error:
        return None, str(error)


def find_target(context: Context, actor: Actor, account_id: UUID, target: str) -> schemas.App | schemas.Key:
    """The app or key that a form names, as the gateway has it. Raises `NotAllowed`, `Invalid`, `GatewayError`."""
    actor.require(Permission.CHANGE_CONTROLS)
    level, _, identifier = target.partition(":")
    target_id = id_of(identifier)
    try:
        if target_id is not None and level == "app":
            return context.gateway.app(actor, account_id, target_id)
        if target_id is not None and level == "key":
            return context.gateway.key(actor, account_id, target_id)
    except GatewayRefused as error:
        if error.status != 404:
            raise
    raise Invalid("Choose the app or the key.", field="target")
