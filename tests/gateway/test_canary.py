"""*Test it now*."""

from __future__ import annotations

from uuid import uuid4

import pytest
from sqlalchemy import select

from anuma_dash.embedded.gateway.tables import data_keys


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def send(dashboard, account, key, **kwargs):
    return dashboard.call("POST", account, "/canary", body={"key_id": key["id"]}, **kwargs)


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("environment", ["live", "test"])
def test_it_is_readable_exactly_when_the_control_is_on(running, dashboard, account, on, environment):
    key = dashboard.new_key(account, environment)
    dashboard.switch_logging(account, on)
    response = send(dashboard, account, key)
    assert response.status_code == 201, response.text
    canary = response.json()
    assert (canary["expected"], canary["readable"], canary["passed"]) == (on, on, True)
    assert canary["epoch"] == canary["decision"]["epoch"] == 1
    assert [scan["store"] for scan in canary["scans"]] == ["main database", "key database", "log files"]
    for scan in canary["scans"]:
        assert scan["control_found"]
        assert not scan["test_found"]
        assert scan["searched_bytes"] > 0
    assert canary["not_reached"]
    request = dashboard.get(account, f"/requests/{canary['request_id']}")
    assert (request["is_test"], request["cost_micro_usd"], request["key_id"]) == (True, 0, key["id"])
    assert dashboard.requests(account, include_tests=False) == []


def test_once_a_minute(running, dashboard, account, key):
    assert send(dashboard, account, key).status_code == 201
    refused = send(dashboard, account, key)
    assert (refused.status_code, refused.json()["code"]) == (429, "canary_too_soon")
    assert 0 < refused.json()["retry_after_seconds"] <= 60
    assert refused.headers["retry-after"] == str(refused.json()["retry_after_seconds"])
    running.clock.advance(seconds=61)
    assert send(dashboard, account, key).status_code == 201


def test_a_repetition_gets_the_same_answer(dashboard, account, key):
    first = send(dashboard, account, key, idempotency_key="the-same-key")
    again = send(dashboard, account, key, idempotency_key="the-same-key")
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(dashboard.requests(account)) == 1


def test_a_leak_is_found(running, dashboard, account, key, monkeypatch):
    """A gateway that wrote prompts to its log would be caught."""
    settle = running.gateway.meter.settle

    def leak(records, now):
        for record in records:
            running.gateway.log.info("careless", prompt=record.content.prompt[0].text)
        return settle(records, now)

    dashboard.switch_logging(account, True)
    monkeypatch.setattr(running.gateway.meter, "settle", leak)
    canary = send(dashboard, account, key).json()
    assert not canary["passed"]
    assert [scan["store"] for scan in canary["scans"] if scan["test_found"]] == ["log files"]


def test_keys_that_cannot_be_used(dashboard, account, key):
    assert send(dashboard, account, {"id": str(uuid4())}).status_code == 404
    other = dashboard.new_account()
    dashboard.call("DELETE", account, f"/keys/{key['id']}")
    assert send(dashboard, other, key).status_code == 404
    third = dashboard.new_account()
    revoked = dashboard.new_key(third)
    dashboard.call("DELETE", third, f"/keys/{revoked['id']}")
    refused = send(dashboard, third, revoked)
    assert (refused.status_code, refused.json()["code"]) == (409, "key_not_usable")


class Somebody:
    """Somebody who tests each control with a key of their own."""

    def __init__(self, dashboard, account):
        self.dashboard, self.account, self.id = dashboard, account, str(uuid4())
        self.key = dashboard.new_key(account, created_by=self.id)

    def switch(self, epoch, control, on):
        setting = {control: {"enabled": on, "retention_days": 7}}
        people = {self.id: setting} if control in ("chat_history", "memories") else {}
        changed = self.dashboard.put_controls(self.account, epoch, controls=setting, people=people)
        assert changed.status_code == 200, changed.text

    def test(self, control, key=None, **kwargs):
        body = {"key_id": (key or self.key)["id"], "control": control}
        return self.dashboard.call("POST", self.account, "/canary", body=body, claims={"sub": self.id}, **kwargs)


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("control", ["traces", "evaluations", "memories"])
def test_every_control_is_looked_for_where_it_keeps_things(dashboard, account, control, on):
    tester = Somebody(dashboard, account)
    tester.switch(1, control, on)
    response = tester.test(control)
    assert response.status_code == 201, response.text
    canary = response.json()
    assert (canary["control"], canary["expected"], canary["readable"], canary["passed"]) == (control, on, on, True)
    assert canary["decision"]["rule"].endswith("_control")
    assert not any(scan["test_found"] for scan in canary["scans"])


def test_the_test_memory_does_not_stay(running, dashboard, account):
    tester = Somebody(dashboard, account)
    tester.switch(1, "memories", on=True)
    assert tester.test("memories").json()["passed"]
    assert dashboard.get(account, "/memories", {"sub": tester.id})["data"] == []
    with running.gateway.stores.keys.read() as connection:
        assert connection.scalars(select(data_keys.c.id).where(data_keys.c.account_id == account)).all() == []


def test_a_control_that_keeps_in_spite_of_being_off_fails_the_test(dashboard, account, monkeypatch):
    monkeypatch.setattr("anuma_dash.embedded.gateway.memories.check_allowed", lambda *_: None)
    canary = Somebody(dashboard, account).test("memories").json()
    assert (canary["expected"], canary["readable"], canary["passed"]) == (False, True, False)


def test_a_control_that_keeps_nothing_in_spite_of_being_on_fails_the_test(running, dashboard, account, monkeypatch):
    (keeper,) = [one for one in running.gateway.meter._keepers if one.control == "traces"]
    monkeypatch.setattr(keeper, "prepare", lambda records, now: {})
    monkeypatch.setattr(keeper, "nothing", lambda record: "no_content")
    tester = Somebody(dashboard, account)
    tester.switch(1, "traces", on=True)
    canary = tester.test("traces").json()
    assert (canary["readable"], canary["decision"]["rule"], canary["passed"]) == (False, "no_content", False)


@pytest.mark.parametrize("control", ["chat_history", "memories"])
def test_a_personal_control_is_not_tested_with_anothers_key(dashboard, account, control):
    tester, other = Somebody(dashboard, account), Somebody(dashboard, account)
    refused = tester.test(control, key=other.key)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_key")
