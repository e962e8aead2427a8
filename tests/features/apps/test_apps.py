"""Apps: made, renamed, retired, chosen for a key, found in the request log."""

from __future__ import annotations

from uuid import uuid4

import pytest

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.gateway import schemas
from tests.features.requests.steps import ask, make_key

XSS = '<img src=x onerror=alert(1)> "quotes"'


def make_app(world, name="Production"):
    return world.server.client.create_app(world.olive.actor, world.northwind, schemas.NewApp(name=name), str(uuid4()))


def events(world):
    return [entry.event for entry in world.rows(AuditEntry) if entry.event.startswith("app.")]


def state_of(page, name):
    return next(row for row in page.table("Apps") if row["Name"].startswith(name))


def test_dev_makes_an_app_and_a_key_in_it(world, browse):
    page = browse(world.dev).visit("/apps")
    assert page.heading == "Apps"
    assert state_of(page, "Default")["State"] == "Active"
    page.follow("New app").submit("Make the app", name=" ")
    assert page.status == 422
    assert "Give the app a name that says what its keys are for." in page.text
    page.submit("Make the app", name="Production")
    assert "The app Production was made." in page.text
    assert state_of(page, "Production")["Usable keys"] == "0"
    assert events(world) == ["app.created"]
    page.visit("/keys/new")
    choices = page.select("select[name=app] option")
    assert [one.text for one in choices] == ["Default", "Production"]
    page.submit("Make the key", name="ci", app=choices[1]["value"])
    assert "Key “ci” is ready" in page.text
    assert page.visit("/keys").table("API keys")[0]["App"] == "Production"
    assert state_of(page.visit("/apps"), "Production")["Usable keys"] == "1"


def test_an_app_is_renamed_and_its_requests_show_the_name(world, browse):
    app = make_app(world)
    ask(world, make_key(world, world.olive, app_id=app.id))
    page = browse(world.ada).visit("/apps").follow("Rename Production")
    page.submit("Rename", name="Research")
    assert "The app is called Research." in page.text
    assert events(world) == ["app.renamed"]
    assert page.visit("/requests").table("Requests, newest first")[0]["App"] == "Research"
    page.visit("/apps").follow("Rename Research").submit("Rename", name="Research")
    assert events(world) == ["app.renamed"], "the same name is no change"
    assert "renamed an app from Production to Research" in browse(world.olive).visit("/activity?what=app").text


def test_an_app_is_retired_only_without_usable_keys(world, browse):
    app = make_app(world)
    key = make_key(world, world.olive, app_id=app.id)
    page = browse(world.olive).visit("/apps").follow("Retire Production")
    assert "It has 1 key that works" in page.text
    assert not page.offers("Retire this app")
    refused = page.request("POST", f"/apps/{app.id}/retirement", data={"csrf_token": page.csrf_token()})
    assert refused.status_code == 409
    assert "Revoke them first" in refused.text
    world.server.client.revoke_key(world.olive.actor, world.northwind, key.id)
    page.visit("/apps").follow("Retire Production").submit("Retire this app")
    assert "The app Production is retired." in page.text
    assert state_of(page, "Production")["State"] == "Retired"
    assert events(world) == ["app.retired"]
    assert [one.text for one in page.visit("/keys/new").select("select[name=app] option")] == ["Default"]


def test_a_key_for_a_retired_app_is_refused_in_words(world, browse):
    app = make_app(world)
    page = browse(world.olive).visit("/keys/new")
    world.server.client.change_app(world.olive.actor, world.northwind, app.id, schemas.AppChange(is_active=False))
    page.submit("Make the key", name="ci", app=str(app.id))
    assert page.status == 502
    assert "This app is retired. No key was made." in page.text


def test_the_default_app_stays(world, browse):
    page = browse(world.olive).visit("/apps")
    assert not page.offers("Retire Default")
    (app,) = world.server.client.apps(world.olive.actor, world.northwind).data
    assert "The default app stays" in page.visit(f"/apps/{app.id}/retirement").text


def test_a_key_that_is_stricter_stores_nothing_from_its_first_request(world, browse):
    page = browse(world.olive).visit("/keys/new")
    assert "from the first one on" in page.text
    page.submit("Make the key", name="ci", stricter=["prompt_logging", "traces"])
    assert "Prompt logging, Traces. This holds from its first request." in page.text
    (intent,) = world.rows(KeyIntent)
    policy = world.server.client.effective_policy(world.olive.actor, world.northwind, key=intent.key_id)
    assert policy.decisions["prompt_logging"].rule in ("key_control", "account_control")
    secret = page.one("#secret").text
    assert world.chat(secret, "hello").status_code == 200


def test_the_log_of_one_app(world, browse):
    app = make_app(world)
    ask(world, make_key(world, world.olive, "one"))
    ask(world, make_key(world, world.olive, "two", app_id=app.id))
    ask(world, make_key(world, world.olive, "three", app_id=app.id))
    page = browse(world.vera).visit("/apps").follow("Requests of Production")
    assert [row["Key"] for row in page.table("Requests, newest first")] == ["three", "two"]
    page.submit("Filter", app="")
    assert len(page.table("Requests, newest first")) == 3
    page.submit("Filter", app=str(app.id), model="no/such")
    assert "No requests match" in page.text


def test_vera_looks_and_changes_nothing(world, browse):
    app = make_app(world)
    page = browse(world.vera).visit("/apps")
    assert not any(page.offers(words) for words in ("New app", "Rename Production", "Retire Production"))
    for path in ("/apps/new", f"/apps/{app.id}/edit", f"/apps/{app.id}/retirement"):
        assert page.request("GET", path).status_code == 403
    assert browse(world.bill).request("GET", "/apps").status_code == 403


def test_apps_of_others_do_not_exist(world):
    app = make_app(world)
    page = world.browser(world.strange)
    assert "Production" not in page.visit("/apps").text
    token = {"csrf_token": page.csrf_token(), "name": "Mine"}
    for method, path in (("GET", "edit"), ("GET", "retirement"), ("POST", ""), ("POST", "retirement")):
        address = f"/apps/{app.id}/{path}".rstrip("/")
        assert page.request(method, address, data=token if method == "POST" else None).status_code == 404
    assert world.server.client.app(world.olive.actor, world.northwind, app.id).name == "Production"


@pytest.mark.parametrize("fault", ["down", "silent", "failing", "html", "truncated", "wrong-types", "huge"])
def test_no_answer_is_said_and_sending_again_makes_one_app(world, fault):
    page = world.browser(world.olive).visit("/apps/new")
    world.break_gateway(fault)
    page.submit("Make the app", name="Production")
    assert page.status == 503
    assert "Whether it was done is not known." in page.text
    assert "Apps cannot be shown" in world.browser(world.olive).request("GET", "/apps").text
    world.mend_gateway()
    token = page.one("input[name=token]")["value"]
    for _ in range(2):
        form = {"csrf_token": page.csrf_token(), "name": "Production", "token": token}
        page.request("POST", "/apps", data=form)
    assert [app.name for app in world.server.client.apps(world.olive.actor, world.northwind).data] == [
        "Production",
        "Default",
    ]
    assert events(world) == ["app.created"]


def test_a_lost_answer_to_a_rename_is_not_said_to_be_done(world):
    app = make_app(world)
    page = world.browser(world.olive).visit(f"/apps/{app.id}/edit")
    world.break_gateway()
    page.submit("Rename", name="Research")
    assert page.status == 503
    assert "The name was not changed." in page.text
    assert page.one("input[name=name]")["value"] == "Research"
    world.mend_gateway()
    page.submit("Rename")
    assert "The app is called Research." in page.text


def test_without_the_gateway_a_new_key_says_which_app_it_gets(world):
    world.break_gateway()
    page = world.browser(world.olive).visit("/keys/new")
    assert "The key is made in the default app." in page.text


def test_a_name_is_only_text(world, browse):
    page = browse(world.olive).visit("/apps/new").submit("Make the app", name=XSS)
    assert XSS in page.text
    for path in ("/apps", "/keys/new", "/activity"):
        assert page.visit(path).select("img[src=x]") == []
    page.visit("/apps").follow(f"Retire {XSS}")
    assert XSS in page.text
    assert any(XSS in str(detail.body) for detail in world.rows(AuditDetail))
