"""Controls: epochs, times, and which rule decides."""

from __future__ import annotations

import hashlib
import json
from uuid import uuid4

import pytest

from anuma_dash.embedded.gateway.policy import CONTROL_NAMES

ON = {"prompt_logging": {"enabled": True, "retention_days": 7}}


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


def test_a_new_account_has_everything_off(dashboard, account):
    created_at = dashboard.get(account)["created_at"]
    state = dashboard.get(account, "/controls")
    assert (state["epoch"], state["in_effect"]) == (0, True)
    assert set(state["controls"]) == set(CONTROL_NAMES)
    for control in state["controls"].values():
        nothing = {"enabled": False, "retention_days": 30, "people": "own_choice"}
        assert control == nothing | {"since": created_at, "since_epoch": 0}


def test_a_request_is_applied_and_in_effect(running, dashboard, account):
    state = dashboard.put_controls(account, 1, controls=ON).json()
    assert (state["epoch"], state["in_effect"]) == (1, True)
    assert state["in_effect_at"] == state["applied_at"]
    logging = state["controls"]["prompt_logging"]
    assert (logging["enabled"], logging["retention_days"], logging["since_epoch"]) == (True, 7, 1)
    assert logging["since"] == state["applied_at"]
    assert dashboard.get(account, "/controls") == state


def test_asking_again_answers_the_original_times(running, dashboard, account):
    first = dashboard.put_controls(account, 1, controls=ON).json()
    running.clock.advance(seconds=30)
    again = dashboard.put_controls(account, 1, controls=ON)
    assert (again.status_code, again.json()) == (200, first)


def test_since_stays_while_the_value_stays(running, dashboard, account):
    first = dashboard.put_controls(account, 1, controls=ON).json()
    running.clock.advance(seconds=30)
    longer = {"prompt_logging": {"enabled": True, "retention_days": 90}}
    second = dashboard.put_controls(account, 2, controls=longer).json()["controls"]["prompt_logging"]
    assert (second["since"], second["since_epoch"]) == (first["in_effect_at"], 1)
    off = dashboard.put_controls(account, 3).json()["controls"]["prompt_logging"]
    assert off["since_epoch"] == 3
    assert off["since"] > first["in_effect_at"]


@pytest.mark.parametrize(("epoch", "controls"), [(4, ON), (5, {})])
def test_a_lower_epoch_or_another_body_is_a_conflict(dashboard, account, epoch, controls):
    stored = dashboard.put_controls(account, 5, controls=ON).json()
    refused = dashboard.put_controls(account, epoch, controls=controls)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "epoch_conflict")
    assert (problem["stored_epoch"], problem["body_hash"]) == (5, stored["body_hash"])
    assert dashboard.get(account, "/controls") == stored


def test_an_epoch_may_be_skipped(dashboard, account):
    assert dashboard.put_controls(account, 7, controls=ON).json()["epoch"] == 7


def test_the_body_hash_is_of_the_canonical_json(dashboard, account):
    stored = dashboard.put_controls(account, 1, controls=ON).json()
    off = {"enabled": False, "retention_days": 30, "people": "own_choice"}
    controls = {name: off | ON.get(name, {}) for name in CONTROL_NAMES}
    body = {"epoch": 1, "controls": controls, "apps": {}, "keys": {}, "people": {}}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert stored["body_hash"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_a_partial_state_is_refused(dashboard, account):
    refused = dashboard.call("PUT", account, "/controls", body={"epoch": 1, "controls": ON})
    assert (refused.status_code, refused.json()["code"]) == (422, "controls_incomplete")


@pytest.mark.parametrize(("epoch", "extra"), [(0, {}), (1, {"extra": 1}), (1, {"keys": {"x": {}}})])
def test_a_wrong_body_is_refused(dashboard, account, epoch, extra):
    assert dashboard.put_controls(account, epoch, **extra).status_code == 422


def decision(dashboard, account, key):
    policy = dashboard.get(account, "/effective-policy", key=key["id"], model="anuma/echo")
    return policy["decisions"]["prompt_logging"]


def test_effective_policy_names_the_rule(dashboard, account):
    person = str(uuid4())
    key = dashboard.new_key(account, created_by=person)
    off = {"prompt_logging": {"enabled": False}}

    def rule():
        found = decision(dashboard, account, key)
        return found["stored"], found["rule"], found["level"]

    assert rule() == (False, "account_control", "account")
    dashboard.switch_logging(account, True)
    assert rule() == (True, "account_control", "account")
    dashboard.switch_logging(account, True, keys={key["id"]: off})
    assert rule() == (False, "key_control", "key")
    dashboard.switch_logging(account, True, apps={key["app_id"]: off})
    assert rule() == (False, "app_control", "app")
    dashboard.call("PUT", account, body={"name": "Olive", "status": "suspended"})
    assert rule() == (False, "account_suspended", "account")


def test_chat_history_is_each_persons_own(dashboard, account):
    """Off until that person switches it on, whatever the account chose for its service keys; it may forbid it."""
    person, other = str(uuid4()), str(uuid4())
    own, service = dashboard.new_key(account, created_by=person), dashboard.new_key(account)
    on = {"chat_history": {"enabled": True}}

    def rule(key):
        found = dashboard.get(account, "/effective-policy", key=key["id"])["decisions"]["chat_history"]
        return found["stored"], found["rule"], found["level"]

    dashboard.put_controls(account, 1, controls=on, people={other: on})
    assert rule(own) == (False, "person_control", "person")
    assert rule(service) == (True, "account_control", "account")
    dashboard.put_controls(account, 2, people={person: on})
    assert rule(own) == (True, "person_control", "person")
    assert rule(service) == (False, "account_control", "account")
    off = {"chat_history": {"enabled": False}}
    dashboard.put_controls(account, 3, people={person: on}, apps={own["app_id"]: off})
    assert rule(own) == (False, "app_control", "app")
    dashboard.put_controls(account, 4, people={person: on}, keys={own["id"]: off})
    assert rule(own) == (False, "key_control", "key")
    forbidden = {"chat_history": {"enabled": True, "people": "forbidden"}}
    dashboard.put_controls(account, 5, controls=forbidden, people={person: on})
    assert rule(own) == (False, "people_forbidden", "account")
    assert rule(service) == (True, "account_control", "account")


def test_what_a_person_chose_is_shown_to_that_person_alone(dashboard, account):
    person, other = str(uuid4()), str(uuid4())
    on = {"chat_history": {"enabled": True, "retention_days": 7}}
    dashboard.put_controls(account, 1, people={person: on, other: on})
    for path, where in (("/controls", lambda found: found), ("/data-state", lambda found: found["controls"])):
        mine = where(dashboard.get(account, path, {"sub": person}))["people"]
        assert list(mine) == [person]
        assert mine[person]["chat_history"]["retention_days"] == 7
        staff = str(uuid4())
        inside = dashboard.get(account, path, {"sub": person, "act": {"sub": staff}})
        assert where(inside)["people"] == {}


def test_a_key_is_stricter_from_its_first_request(dashboard, account):
    """Until the settings say of that key what it is stricter in."""
    dashboard.switch_logging(account, True)
    key = dashboard.new_key(account, controls={"prompt_logging": {"enabled": False}})
    assert decision(dashboard, account, key)["rule"] == "key_control"
    dashboard.switch_logging(account, True)
    assert decision(dashboard, account, key)["rule"] == "key_control"
    dashboard.switch_logging(account, True, keys={key["id"]: {}})
    assert decision(dashboard, account, key)["stored"]


def test_effective_policy_of_a_revoked_key(dashboard, account):
    key = dashboard.new_key(account)
    dashboard.switch_logging(account, True)
    dashboard.call("DELETE", account, f"/keys/{key['id']}")
    assert decision(dashboard, account, key)["rule"] == "key_unknown"


def test_a_lower_level_cannot_switch_on(dashboard, account):
    key = dashboard.new_key(account)
    on = {"prompt_logging": {"enabled": True}}
    assert dashboard.put_controls(account, 1, keys={key["id"]: on}).status_code == 422
