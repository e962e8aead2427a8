"""Evaluations: a score and a comment that a person or a program gives a request, kept only while the control is on."""

from __future__ import annotations

import secrets
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from anuma_dash.embedded.gateway.content_tables import evaluations
from anuma_dash.embedded.gateway.search import Search
from anuma_dash.embedded.gateway.tables import content_days, data_keys

ON = {"evaluations": {"enabled": True, "retention_days": 7}}
OFF = {"evaluations": {"enabled": False}}
GOOD = {"name": "helpful", "score": 0.5, "comment": "Schön \U0001f44d שלום <script>alert(1)</script>"}


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


@pytest.fixture
def request_id(running, key):
    return running.chat(key["secret"]).headers["x-request-id"]


def evaluate(dashboard, account, request_id, body=GOOD, **kwargs):
    return dashboard.call("POST", account, f"/requests/{request_id}/evaluations", body=body, **kwargs)


def by_program(running, key, request_id, body=GOOD, prefix="/v1", **headers):
    headers |= {"authorization": f"Bearer {key['secret']}"}
    return running.http.post(f"{prefix}/requests/{request_id}/evaluations", json=body, headers=headers)


def listed(dashboard, account, request_id, **params):
    return dashboard.get(account, f"/requests/{request_id}/evaluations", **params)["data"]


def kept(running, account):
    """How many rows, keys and counted entries there are."""
    with running.gateway.stores.main.read() as connection:
        rows = connection.scalar(select(func.count()).where(evaluations.c.account_id == account))
        ours = (content_days.c.account_id == account, content_days.c.category == "evaluations")
        counted = connection.scalar(select(func.coalesce(func.sum(content_days.c.entries), 0)).where(*ours))
    with running.gateway.stores.keys.read() as connection:
        keys = connection.scalar(select(func.count()).where(data_keys.c.account_id == account))
    return rows, keys, counted


def test_a_person_evaluates_a_request(running, dashboard, account, key, request_id):
    dashboard.put_controls(account, 1, controls=ON)
    person = str(uuid4())
    made = evaluate(dashboard, account, request_id, claims={"sub": person})
    assert made.status_code == 201, made.text
    found = made.json()
    assert {name: found[name] for name in GOOD} == GOOD
    assert (found["person"], found["key_id"], found["request_id"]) == (person, None, request_id)
    assert found["expires_at"][:10] > found["created_at"][:10]
    assert listed(dashboard, account, request_id) == [found]
    assert kept(running, account) == (1, 1, 1)


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_a_program_evaluates_a_request(running, dashboard, account, key, request_id, prefix):
    dashboard.put_controls(account, 1, controls=ON)
    made = by_program(running, key, request_id, prefix=prefix)
    assert made.status_code == 201, made.text
    (found,) = listed(dashboard, account, request_id)
    assert made.json() == found
    assert (found["person"], found["key_id"]) == (None, key["id"])


@pytest.mark.parametrize("level", ["account", "app", "key"])
def test_nothing_is_kept_while_any_level_says_off(running, dashboard, account, key, request_id, level):
    stricter = {"app": {"apps": {key["app_id"]: OFF}}, "key": {"keys": {key["id"]: OFF}}}.get(level, {})
    dashboard.put_controls(account, 1, controls={} if level == "account" else ON, **stricter)
    refused = evaluate(dashboard, account, request_id)
    assert (refused.status_code, refused.json()["code"]) == (403, "evaluations_off")
    refused = by_program(running, key, request_id)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "evaluations_off")
    assert kept(running, account) == (0, 0, 0)


def test_a_request_that_asked_to_keep_nothing_stays_without(running, dashboard, account, key):
    dashboard.put_controls(account, 1, controls=ON)
    silent = running.chat(key["secret"], headers={"x-anuma-store": "none"}).headers["x-request-id"]
    loud = running.chat(key["secret"]).headers["x-request-id"]
    assert evaluate(dashboard, account, silent).json()["code"] == "evaluations_off"
    refused = by_program(running, key, loud, **{"x-anuma-store": "none"})
    assert refused.json()["error"]["code"] == "evaluations_off"
    assert kept(running, account) == (0, 0, 0)


def test_others_find_no_request(running, dashboard, account, key, request_id):
    """Another app of the account, another account, and who does not exist."""
    dashboard.put_controls(account, 1, controls=ON)
    app = dashboard.call("POST", account, "/apps", body={"name": "Other"}).json()
    other = dashboard.new_account()
    for one in (dashboard.new_key(account, app_id=app["id"]), dashboard.new_key(other)):
        refused = by_program(running, one, request_id)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "request_not_found")
    assert by_program(running, key, "no-uuid").status_code == 404
    assert evaluate(dashboard, other, request_id).status_code == 404
    assert dashboard.call("GET", other, f"/requests/{request_id}/evaluations").status_code == 404
    assert evaluate(dashboard, account, uuid4()).status_code == 404
    assert kept(running, account) == (0, 0, 0)


def test_a_support_session_needs_the_scope_for_content(dashboard, account, request_id):
    claims = {"sub": str(uuid4()), "act": {"sub": str(uuid4())}}
    path = f"/requests/{request_id}/evaluations"
    assert dashboard.call("GET", account, path, claims=claims).json()["code"] == "support_scope_missing"
    assert evaluate(dashboard, account, request_id, claims=claims).json()["code"] == "support_session_read_only"


def test_past_its_period_it_is_not_shown(running, dashboard, account, key, request_id):
    dashboard.put_controls(account, 1, controls=ON)
    evaluate(dashboard, account, request_id)
    running.clock.advance(days=7, minutes=1)
    assert listed(dashboard, account, request_id) == []


def test_a_repetition_is_one_evaluation(running, dashboard, account, request_id):
    dashboard.put_controls(account, 1, controls=ON)
    first = evaluate(dashboard, account, request_id, idempotency_key="the-same-key")
    again = evaluate(dashboard, account, request_id, idempotency_key="the-same-key")
    assert (again.status_code, again.json()) == (201, first.json())
    other = evaluate(dashboard, account, request_id, GOOD | {"score": 1}, idempotency_key="the-same-key")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert kept(running, account) == (1, 1, 1)


def test_a_request_has_at_most_a_hundred(running, dashboard, account, request_id, monkeypatch):
    monkeypatch.setattr("anuma_dash.embedded.gateway.evaluations.MOST_OF_A_REQUEST", 2)
    dashboard.put_controls(account, 1, controls=ON)
    assert [evaluate(dashboard, account, request_id).status_code for _ in range(3)] == [201, 201, 409]
    assert kept(running, account) == (2, 2, 2)
    page = dashboard.get(account, f"/requests/{request_id}/evaluations", limit=1)
    following = dashboard.get(account, f"/requests/{request_id}/evaluations", limit=1, after=page["next"])
    assert following["next"] is None
    assert page["data"][0]["id"] > following["data"][0]["id"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"score": 1}, "name"),
        ({"name": "", "score": 1}, "name"),
        ({"name": "n", "score": "high"}, "score"),
        ({"name": "n", "score": 2_000_000}, "score"),
        ({"name": "n", "score": 1, "comment": "x" * 4001}, "comment"),
        ({"name": "n", "score": 1, "secret-field": 1}, None),
        ([], None),
    ],
)
def test_what_is_no_evaluation_is_refused(running, dashboard, account, key, request_id, body, named):
    dashboard.put_controls(account, 1, controls=ON)
    refused = by_program(running, key, request_id, body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, named)
    assert "secret-field" not in refused.text
    assert evaluate(dashboard, account, request_id, body).status_code == 422


def test_a_long_body_and_a_wrong_key_are_refused(running, dashboard, account, key, request_id):
    assert by_program(running, key, request_id, GOOD | {"comment": "x" * 2**17}).status_code == 413
    assert by_program(running, {"secret": "anuma_live_nobody"}, request_id).status_code == 401


def test_a_moved_ciphertext_does_not_decrypt(running, dashboard, account, request_id):
    dashboard.put_controls(account, 1, controls=ON)
    first, second = (evaluate(dashboard, account, request_id).json()["id"] for _ in range(2))
    column = evaluations.c
    with running.gateway.stores.main.write() as connection:
        query = select(column.nonce, column.ciphertext).where(column.id == UUID(first))
        moved = connection.execute(query).one()
        connection.execute(update(evaluations).where(column.id == UUID(second)).values(**moved._mapping))
    refused = dashboard.call("GET", account, f"/requests/{request_id}/evaluations")
    assert (refused.status_code, refused.json()["code"]) == (500, "content_unreadable")


def test_a_dump_holds_no_readable_word(running, dashboard, account, key, request_id):
    dashboard.put_controls(account, 1, controls=ON)
    words = f"xylophone-{secrets.token_hex(8)}"
    assert evaluate(dashboard, account, request_id, {"name": words, "score": 1, "comment": words}).status_code == 201
    assert by_program(running, key, request_id, {"name": words, "score": 1, words: words}).status_code == 422
    for result in Search(running.gateway.stores, running.gateway.log).look_for([words.encode()], running.gateway.now()):
        assert result.control_found
        assert not result.found, result.store
