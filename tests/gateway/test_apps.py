"""Apps: groups of keys, over the internal API."""

from __future__ import annotations

from uuid import uuid4

import pytest


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


def new_app(dashboard, account, name="Production"):
    response = dashboard.call("POST", account, "/apps", body={"name": name})
    assert response.status_code == 201, response.text
    return response.json()


def retire(dashboard, account, app):
    return dashboard.call("PATCH", account, f"/apps/{app['id']}", body={"is_active": False})


def test_each_account_has_one_from_the_beginning(dashboard, account):
    (app,) = dashboard.get(account, "/apps")["data"]
    assert (app["name"], app["is_default"], app["is_active"], app["active_keys"]) == ("Default", True, True, 0)
    key = dashboard.new_key(account)
    assert (key["app_id"], key["app_name"]) == (app["id"], "Default")
    assert retire(dashboard, account, app).json()["code"] == "app_is_default"


def test_keys_and_requests_bear_their_apps_name(running, dashboard, account):
    app = new_app(dashboard, account)
    key = dashboard.new_key(account, app_id=app["id"])
    running.chat(key["secret"])
    renamed = dashboard.call("PATCH", account, f"/apps/{app['id']}", body={"name": "Shop"}).json()
    assert (renamed["name"], renamed["active_keys"]) == ("Shop", 1)
    (row,) = dashboard.requests(account)
    assert (row["app_id"], row["app_name"]) == (app["id"], "Shop")


def test_an_app_is_retired_when_its_keys_are_revoked(dashboard, account):
    app = new_app(dashboard, account)
    key = dashboard.new_key(account, app_id=app["id"])
    refused = retire(dashboard, account, app)
    assert (refused.status_code, refused.json()["code"]) == (409, "app_has_keys")
    dashboard.call("DELETE", account, f"/keys/{key['id']}")
    assert retire(dashboard, account, app).json()["is_active"] is False
    body = {"name": "k", "environment": "live", "app_id": app["id"]}
    assert dashboard.call("POST", account, "/keys", body=body).json()["code"] == "app_retired"


def test_asking_twice_makes_one(dashboard, account):
    made = [
        dashboard.call("POST", account, "/apps", body={"name": "Once"}, idempotency_key="the-same-key").json()
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert [app["name"] for app in dashboard.get(account, "/apps")["data"]] == ["Once", "Default"]


def test_anothers_app_is_missing(dashboard, account):
    other = new_app(dashboard, dashboard.new_account("Strange"))
    path = f"/apps/{other['id']}"
    assert dashboard.call("GET", account, path).status_code == 404
    assert dashboard.call("PATCH", account, path, body={"name": "Mine"}).status_code == 404
    for app_id in (other["id"], str(uuid4())):
        body = {"name": "k", "environment": "live", "app_id": app_id}
        refused = dashboard.call("POST", account, "/keys", body=body)
        assert (refused.status_code, refused.json()["code"]) == (404, "app_unknown")
