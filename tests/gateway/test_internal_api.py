"""Accounts, keys, lists, idempotency, problem details."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from anuma_dash.gateway.schemas import CONTRACT_VERSION, Contract


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def test_the_contract_needs_no_token(dashboard):
    contract = Contract.model_validate(dashboard.http.get("/contract").json())
    assert (contract.contract, contract.gateway) == (CONTRACT_VERSION, "anuma-embedded")


def test_health(running):
    assert running.http.get("/healthz").json() == {"status": "ok"}
    assert running.http.get("/readyz").json() == {"status": "ok"}


def test_an_account_is_created_and_replaced(running, dashboard):
    account = uuid4()
    created = dashboard.call("PUT", account, body={"name": "Olive"}).json()
    assert (created["id"], created["name"], created["status"]) == (str(account), "Olive", "active")
    running.clock.advance(seconds=1)
    changed = dashboard.call("PUT", account, body={"name": "O", "status": "suspended"}).json()
    assert (changed["name"], changed["status"]) == ("O", "suspended")
    assert changed["created_at"] == created["created_at"] < changed["updated_at"]
    assert dashboard.get(account) == changed


def test_a_key_shows_its_secret_once(dashboard, account):
    person = str(uuid4())
    body = {"name": "ci", "environment": "test", "created_by": person}
    first = dashboard.call("POST", account, "/keys", body=body, idempotency_key="make-a-key").json()
    again = dashboard.call("POST", account, "/keys", body=body, idempotency_key="make-a-key").json()
    assert first["secret"].startswith("anuma_test_")
    assert (first["code"], again["code"], again["secret"]) == ("created", "secret_already_shown", None)
    assert again == first | {"secret": None, "code": "secret_already_shown"}
    assert first["secret"].startswith(first["prefix"])
    assert first["secret"].endswith(first["last_four"])
    assert (first["state"], first["in_effect_at"]) == ("active", first["created_at"])
    (listed,) = dashboard.get(account, "/keys")["data"]
    assert "secret" not in listed
    assert listed["id"] == first["id"]


def test_an_idempotency_key_is_for_one_request(dashboard, account):
    body = {"name": "one"}
    dashboard.call("POST", account, "/keys", body=body, idempotency_key="only-for-one")
    other = dashboard.call("POST", account, "/keys", body={"name": "two"}, idempotency_key="only-for-one")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    elsewhere = dashboard.new_account()
    assert dashboard.call("POST", elsewhere, "/keys", body=body, idempotency_key="only-for-one").status_code == 201


def test_every_post_needs_an_idempotency_key(dashboard, account):
    for path in ("/keys", "/deletions", "/canary"):
        response = dashboard.call("POST", account, path, body={}, headers={"idempotency-key": ""})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
        assert "Idempotency-Key" in response.json()["detail"]


def test_revoking_is_at_once_and_idempotent(running, dashboard, account, key):
    revoked = dashboard.call("DELETE", account, f"/keys/{key['id']}").json()
    assert revoked["state"] == "revoked"
    assert revoked["revocation_in_effect_at"] == revoked["revoked_at"] is not None
    assert running.chat(key["secret"]).status_code == 401
    running.clock.advance(seconds=5)
    assert dashboard.call("DELETE", account, f"/keys/{key['id']}").json() == revoked


def test_keyset_pages_walk_through_all(dashboard, account):
    made = [dashboard.new_key(account)["id"] for _ in range(7)]
    seen, after = [], {}
    while True:
        page = dashboard.get(account, "/keys", limit=3, **after)
        seen += [key["id"] for key in page["data"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == made[::-1]


def test_a_page_is_steady_while_rows_arrive(running, dashboard, account, key):
    for _ in range(4):
        running.chat(key["secret"])
    first = dashboard.get(account, "/requests", limit=2)
    running.chat(key["secret"])
    second = dashboard.get(account, "/requests", limit=2, after=first["next"])
    identifiers = [row["id"] for row in first["data"] + second["data"]]
    assert len(set(identifiers)) == 4
    assert second["next"] is None


@pytest.mark.parametrize("limit", [0, 201, "x"])
def test_limits_of_a_page(dashboard, account, limit):
    assert dashboard.call("GET", account, "/keys", params={"limit": limit}).status_code == 422


def test_filters_of_the_request_log(running, dashboard, account, key):
    person = str(uuid4())
    own = dashboard.new_key(account, created_by=person)
    running.chat(key["secret"])
    running.chat(key["secret"], model="fake/fails")
    running.clock.advance(hours=2)
    later = running.clock()
    running.chat(own["secret"], model="nowhere")
    dashboard.switch_logging(account, True)
    running.chat(own["secret"], model="fake/plain")

    def found(**filters):
        return [row["model"] for row in dashboard.requests(account, **filters)]

    assert found() == ["fake/plain", "unknown", "fake/fails", "anuma/echo"]
    assert found(key=key["id"]) == ["fake/fails", "anuma/echo"]
    assert found(person=person) == ["fake/plain", "unknown"]
    assert found(person=str(uuid4())) == []
    assert found(model="fake/plain") == ["fake/plain"]
    assert found(status_class="2xx") == ["fake/plain", "anuma/echo"]
    assert found(status_class="4xx") == ["unknown"]
    assert found(status_class="5xx") == ["fake/fails"]
    assert found(content="stored") == ["fake/plain"]
    assert found(content="not_stored", person=person) == ["unknown"]
    assert found(**{"from": later.isoformat()}) == ["fake/plain", "unknown"]
    assert found(to=later.isoformat()) == ["fake/fails", "anuma/echo"]
    hour = (later - timedelta(hours=1)).isoformat()
    assert found(to=later.isoformat(), **{"from": hour}) == []
    assert [row["id"] for row in dashboard.get(account, "/keys", person=person)["data"]] == [own["id"]]
    for bad in ({"status_class": "3xx"}, {"content": "x"}, {"from": "yesterday"}, {"key": "x"}):
        assert dashboard.call("GET", account, "/requests", params=bad).status_code == 422


def test_overview(running, dashboard, account, key):
    running.clock.pass_midnight()
    for model in ("fake/plain", "fake/plain", "fake/fails"):
        running.chat(key["secret"], model=model)
    soon = (running.clock() + timedelta(days=3)).isoformat()
    expiring = dashboard.new_key(account, expires_at=soon)
    overview = dashboard.get(account, "/overview")
    assert (overview["requests_today"], overview["errors_today"], overview["requests_ever"]) == (3, 1, 3)
    assert overview["cost_today_micro_usd"] == overview["cost_month_micro_usd"] == 2 * 92
    assert [day["requests"] for day in overview["days"]] == [3]
    assert overview["active_keys"] == 2
    assert [key["id"] for key in overview["expiring_keys"]] == [expiring["id"]]
    assert [row["model"] for row in overview["latest"]] == ["fake/fails", "fake/plain", "fake/plain"]
    assert overview["controls"]["epoch"] == 0
    running.clock.advance(days=2)
    running.chat(key["secret"], model="fake/plain")
    overview = dashboard.get(account, "/overview")
    assert (overview["requests_today"], overview["requests_ever"]) == (1, 4)
    assert [day["requests"] for day in overview["days"]] == [3, 1]


def test_data_state(running, dashboard, account, key):
    running.chat(key["secret"])
    dashboard.switch_logging(account, True)
    running.chat(key["secret"])
    running.chat(key["secret"], model="fake/fails")
    state = dashboard.get(account, "/data-state")
    evidence = {row["control"]: (row["looked_at"], row["stored_content"]) for row in state["evidence"]}
    assert evidence["prompt_logging"] == (2, 1), "those that the present value decided"
    assert evidence["memories"] == (3, 0)
    assert len(state["latest"]) == 3
    assert [row["id"] for row in state["keys"]] == [key["id"]]
    content, *_, metadata = state["inventory"]["rows"]
    assert (content["category"], content["count"]) == ("request_content", 1)
    assert content["bytes"] == state["latest"][1]["content_bytes"] > 0
    assert content["oldest"] == content["newest"] == state["latest"][1]["created_at"]
    assert (metadata["category"], metadata["count"]) == ("request_metadata", 3)
    assert metadata["bytes"] > 300


def test_evidence_after_switching_off(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    running.chat(key["secret"])
    dashboard.switch_logging(account, False)
    running.chat(key["secret"])
    evidence = dashboard.get(account, "/data-state")["evidence"][0]
    assert (evidence["looked_at"], evidence["stored_content"]) == (1, 0)
    assert dashboard.get(account, "/inventory")["rows"][0]["count"] == 1, "off deletes nothing by itself"


@pytest.mark.parametrize("path", ["/internal/v1/nothing", "/internal", "/internal/v2/contract"])
def test_unknown_paths_are_problems(running, path):
    response = running.http.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert response.headers["content-type"] == "application/problem+json"


def test_wrong_methods_and_bodies_are_problems(dashboard, account):
    wrong = dashboard.call("PATCH", account)
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    secret = "words-of-a-person"
    for body in ({"name": ""}, {"name": "x", "status": secret}, {"nom": secret}, [secret], secret):
        response = dashboard.call("PUT", account, body=body)
        problem = response.json()
        assert (response.status_code, problem["code"], problem["status"]) == (422, "invalid_request", 422)
        assert secret not in response.text
    broken = dashboard.call("PUT", account, content=b"{", headers={"content-type": "application/json"})
    assert broken.json()["code"] == "invalid_request"


def test_request_ids_in_and_out(running, dashboard, account):
    given = dashboard.call("GET", account, headers={"x-request-id": "from-the-dashboard.1"})
    assert given.headers["x-request-id"] == "from-the-dashboard.1"
    for bad in ("has space", "x" * 129, "a\x7fb"):
        made = dashboard.call("GET", account, headers={"x-request-id": bad}).headers["x-request-id"]
        assert UUID(made).version == 7
    assert '"from-the-dashboard.1"' in running.settings.log_file.read_text()
