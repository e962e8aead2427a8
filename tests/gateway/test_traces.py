"""Traces: the steps of a request with their words, kept only while the control is on, also of what failed."""

from __future__ import annotations

import secrets
from uuid import UUID

import pytest
from sqlalchemy import delete, select, update

from anuma_dash.embedded.gateway.content_tables import traces
from anuma_dash.embedded.gateway.search import Search
from anuma_dash.embedded.gateway.tables import content_days, data_keys
from tests.gateway.provider import SECRET_WORDS
from tests.gateway.test_storing import Stream, held_keys

ON = {"traces": {"enabled": True, "retention_days": 7}}
OFF = {"traces": {"enabled": False}}


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def trace(dashboard, account, response):
    return dashboard.get(account, f"/requests/{response.headers['x-request-id']}/trace")


def rule(found):
    return found["trace"]["stored"], found["trace"]["rule"], found["steps"]


def test_an_attempt_is_traced(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    found = trace(dashboard, account, running.chat(key["secret"], model="fake/plain"))
    assert found["trace"] == {"stored": True, "rule": "account_control", "level": "account", "epoch": 1}
    (step,) = found["steps"]
    assert (step["kind"], step["name"], step["status"], step["detail"]) == ("attempt", "fake", 200, "")
    assert step["took_ms"] >= 0
    (row,) = dashboard.requests(account)
    assert row["controls"]["traces"]["stored"]
    assert not row["content"]["stored"], "each control decides for itself"
    with running.gateway.stores.main.read() as connection:
        ours = (content_days.c.account_id == account, content_days.c.category == "traces")
        (day,) = connection.execute(select(content_days).where(*ours)).all()
        stored = connection.execute(select(traces).where(traces.c.account_id == account)).one()
    assert (day.entries, day.bytes, day.owner) == (1, stored.bytes, account)


@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_call_of_a_tool_is_traced(running, dashboard, account, key, endpoint, stream):
    dashboard.put_controls(account, 1, controls=ON)
    body = {"model": "fake/tool-call", "stream": stream, "input": "x", "messages": [{"role": "user", "content": "x"}]}
    headers = {"authorization": f"Bearer {key['secret']}"}
    answer = running.http.post(f"/v1/{endpoint}", json=body, headers=headers)
    assert answer.status_code == 200
    attempt, call = trace(dashboard, account, answer)["steps"]
    assert (attempt["kind"], attempt["status"]) == ("attempt", 200)
    assert (call["kind"], call["name"], call["detail"]) == ("tool_call", "look", '{"a": 1}')
    assert call["took_ms"] is None


@pytest.mark.parametrize(
    ("model", "status", "detail"),
    [
        ("fake/fails", 500, SECRET_WORDS),
        ("fake/refuses", 400, SECRET_WORDS),
        ("fake/garbage", 200, SECRET_WORDS),
        ("hasty/silent", None, "provider_timed_out"),
        ("down/plain", None, "provider_failed"),
    ],
)
def test_a_failure_keeps_its_trace(running, dashboard, account, key, model, status, detail):
    dashboard.put_controls(account, 1, controls=ON)
    answer = running.chat(key["secret"], model=model)
    assert answer.status_code >= 400
    assert SECRET_WORDS not in answer.text
    (step,) = trace(dashboard, account, answer)["steps"]
    assert step["status"] == status
    assert detail in step["detail"]


def test_a_failure_in_the_middle_keeps_its_trace(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    (step,) = trace(dashboard, account, running.chat(key["secret"], model="fake/error-event", stream=True))["steps"]
    assert SECRET_WORDS in step["detail"]


def test_what_reached_no_provider_has_no_steps(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    assert rule(trace(dashboard, account, running.chat(key["secret"], model="no/such"))) == (False, "no_content", None)
    assert held_keys(running, account) == set()


@pytest.mark.parametrize("level", ["account", "app", "key", "request"])
def test_nothing_is_kept_while_any_level_says_off(running, dashboard, account, key, level):
    stricter = {"app": {"apps": {key["app_id"]: OFF}}, "key": {"keys": {key["id"]: OFF}}}.get(level, {})
    dashboard.put_controls(account, 1, controls={} if level == "account" else ON, **stricter)
    headers = {"x-anuma-store": "none"} if level == "request" else {}
    expected = "request_header" if level == "request" else f"{level}_control"
    for model in ("fake/plain", "fake/fails"):
        found = trace(dashboard, account, running.chat(key["secret"], model=model, headers=headers))
        assert rule(found) == (False, expected, None)
    assert held_keys(running, account) == set()


def test_switched_off_in_the_middle_is_not_kept(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    stream = Stream(running, key, "sent while it was on")
    dashboard.put_controls(account, 2)
    assert rule(trace(dashboard, account, stream.finish())) == (False, "control_off_at_write", None)
    assert held_keys(running, account) == set(), "the unused key is destroyed"


def test_switched_on_in_the_middle_is_not_kept(running, dashboard, account, key):
    stream = Stream(running, key, "sent while it was off")
    dashboard.put_controls(account, 1, controls=ON)
    assert rule(trace(dashboard, account, stream.finish())) == (False, "control_off_at_arrival", None)


def test_past_its_period_it_is_not_shown(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    answer = running.chat(key["secret"])
    running.clock.advance(days=7, minutes=1)
    assert rule(trace(dashboard, account, answer)) == (False, "expired", None)


def test_without_its_data_key_it_is_deleted(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    answer = running.chat(key["secret"])
    with running.gateway.stores.keys.write() as connection:
        connection.execute(delete(data_keys).where(data_keys.c.account_id == account))
    assert rule(trace(dashboard, account, answer)) == (False, "deleted", None)


def test_a_moved_ciphertext_does_not_decrypt(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    first, second = running.chat(key["secret"]), running.chat(key["secret"])
    column = traces.c
    of = {one: column.request_id == UUID(one.headers["x-request-id"]) for one in (first, second)}
    with running.gateway.stores.main.write() as connection:
        moved = connection.execute(select(column.nonce, column.ciphertext).where(of[first])).one()
        connection.execute(update(traces).where(of[second]).values(**moved._mapping))
    refused = dashboard.call("GET", account, f"/requests/{second.headers['x-request-id']}/trace")
    assert (refused.status_code, refused.json()["code"]) == (500, "content_unreadable")
    assert len(trace(dashboard, account, first)["steps"]) == 1


def test_others_see_nothing(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    path = f"/requests/{running.chat(key['secret']).headers['x-request-id']}/trace"
    assert dashboard.call("GET", dashboard.new_account(), path).status_code == 404
    claims = {"sub": str(UUID(int=1)), "act": {"sub": str(UUID(int=2))}}
    assert dashboard.call("GET", account, path, claims=claims).json()["code"] == "support_scope_missing"


def test_a_dump_holds_no_readable_word(running, dashboard, account, key):
    """The provider's error repeats the whole prompt."""
    dashboard.put_controls(account, 1, controls=ON)
    words = f"xylophone-{secrets.token_hex(8)} \u05e9\u05dc\u05d5\u05dd"
    found = trace(dashboard, account, running.chat(key["secret"], words, model="fake/fails"))
    assert words[:20] in found["steps"][0]["detail"]
    for result in Search(running.gateway.stores, running.gateway.log).look_for(
        [words[:20].encode()], running.gateway.now()
    ):
        assert result.control_found
        assert not result.found, result.store
