"""Values nobody expects: the right refusal or the right answer, never a 500."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NASTY = ["\x00", "a\x00b", "\ud800", "'; DROP TABLE requests; --", "<img src=x>", "\u202e", "0" * 200, "%", "_"]
TIMES = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "9999-12-31T23:59:59.999999Z"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MESSAGE = st.fixed_dictionaries({"role": st.text(max_size=9)}, optional={"content": JSON, "tool_calls": JSON})


@pytest.fixture(scope="module")
def account(running):
    return running.dashboard.new_account()


@pytest.fixture(scope="module")
def key(running, account):
    running.dashboard.switch_logging(account, True)
    return running.dashboard.new_key(account)


@given(
    body=st.fixed_dictionaries(
        {"messages": st.lists(MESSAGE, max_size=3)}, optional={"stream": JSON, "stream_options": JSON, "n": JSON}
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chat_bodies(running, key, body):
    content = json.dumps({"model": "anuma/echo", **body}).encode()
    headers = {"authorization": f"Bearer {key['secret']}"}
    response = running.http.post("/v1/chat/completions", content=content, headers=headers)
    assert response.status_code in (200, 422), response.text
    if response.status_code == 200:
        assert response.headers["x-anuma-content-stored"] in ("true", "pending")


@pytest.mark.parametrize("value", NASTY)
def test_names(running, dashboard, account, value):
    made = dashboard.call(
        "PUT", uuid4(), content=json.dumps({"name": value}).encode(), headers={"content-type": "application/json"}
    )
    assert made.status_code in (200, 422), made.text
    if made.status_code == 200:
        assert made.json()["name"] == value
    if "\ud800" not in value:
        listed = dashboard.call("GET", account, "/requests", params={"model": value})
        assert listed.status_code in (200, 422)
        assert listed.json().get("data", []) == []


@pytest.mark.parametrize("time", TIMES)
def test_times(dashboard, account, time):
    assert dashboard.call("GET", account, "/requests", params={"from": time}).status_code in (200, 422)
    assert dashboard.call("GET", account, "/requests", params={"to": time}).status_code in (200, 422)
    key = dashboard.call("POST", account, "/keys", body={"name": "k", "expires_at": time})
    assert key.status_code in (201, 422), key.text
    scope = {"category": "request_content", "before": time, "request_ids": []}
    deletion = dashboard.call("POST", account, "/deletions", body={"id": str(uuid4()), "scope": scope})
    assert deletion.status_code in (202, 422), deletion.text


@pytest.mark.parametrize(
    "path", ["/keys/x", "/requests/x", "/deletions/x", "/requests/%00", "/requests/..%2f..", "/keys/" + "9" * 5000]
)
def test_identifiers(dashboard, account, path):
    response = dashboard.call("GET", account, path)
    assert response.status_code in (404, 422)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("epoch", [2**63 - 1, 2**63, 10**30])
def test_epochs(dashboard, epoch):
    account = dashboard.new_account()
    assert dashboard.put_controls(account, epoch).status_code in (200, 422)
