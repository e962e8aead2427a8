"""*Test it now*."""

from __future__ import annotations

from uuid import uuid4

import pytest


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
