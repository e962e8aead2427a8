"""Making a key: its secret is shown once, and nobody is told of a key that is not there."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import pytest

from anuma_dash.errors import GatewayRefused, GatewayUnavailable
from anuma_dash.features.keys.models import KeyIntent
from anuma_dash.identity import Account
from anuma_dash.web.sessions import BrowserSession, Draft
from anuma_dash.web.snippets import call_snippets
from tests.features.keys.steps import details, events, every_cell, fill_in, keys_of, later_in_effect

XSS = '<img src=x hx-get="/sign-out" onerror=alert(1)>'


def test_olive_makes_her_first_key(world, browse):
    page = browse(world.olive).visit("/keys")
    assert "No keys yet" in page.text
    page.follow("Make the first key")
    assert page.heading == "New key"
    page.submit("Make the key", name="  my   laptop ", environment="test", expiry="30")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "Key “my laptop” is ready" in page.text
    assert "Copy its secret now. It will not be shown again." in page.text
    assert "Do not send sensitive personal information" in page.text
    secret = page.one("#secret").text
    assert secret.startswith("anuma_test_")
    assert world.chat(secret).status_code == 200
    page.follow("I have copied it")
    assert page.heading == "API keys"
    (row,) = page.table("API keys")
    assert row["Name"] == "my laptop test"
    assert row["Secret"] == f"{secret[:15]}…{secret[-4:]}"
    assert row["Created by"] == "Olive Lindqvist"
    assert row["This month"] == "$0"
    (key,) = keys_of(world, world.northwind)
    assert key.expires_at == world.clock() + timedelta(days=30)
    assert events(world) == ["key.requested", "key.created"]


def test_the_secret_is_on_one_answer_and_nowhere_else(world, browse, capfd):
    page = fill_in(browse(world.olive))
    secret = page.one("#secret").text
    assert all(secret in code.text for code in page.select(".code code"))
    for path in ("/keys", "/", "/requests", page.visit("/keys").one("#key-list th a")["href"]):
        page.visit(path)
        assert secret not in page.text
        assert secret[15:] not in page.text
    assert "$ANUMA_API_KEY" in page.visit(page.visit("/keys").one("#key-list th a")["href"]).text
    assert secret[15:-4] not in every_cell(world)
    assert secret[15:-4] not in "".join(capfd.readouterr())


def test_sending_the_form_again_creates_nothing(world, browse):
    page = browse(world.olive).visit("/keys/new")
    fields = {field["name"]: field.get("value") or "" for field in page.select("form input[type=hidden]")}
    token = page.one("input[name=token]")["value"]
    fields |= {"csrf_token": page.csrf_token(), "token": token, "name": "ci", "environment": "live", "expiry": "never"}
    first = page.request("POST", "/keys", data=fields)
    again = page.request("POST", "/keys", data=fields)
    other_words = page.request("POST", "/keys", data=fields | {"name": "other"})
    assert "is ready" in first.text
    for answer in (again, other_words):
        assert answer.status_code == 200
        assert "This key was already created; its secret was shown once" in answer.text
        assert "The key “ci”" in answer.text
        assert 'id="secret"' not in answer.text
    assert [key.name for key in keys_of(world, world.northwind)] == ["ci"]
    assert events(world) == ["key.requested", "key.created"]


def test_a_form_with_faults_says_what_and_keeps_the_rest(world, browse):
    page = browse(world.olive).visit("/keys/new")
    token = page.one("input[name=token]")["value"]
    page.submit("Make the key", name=" ", environment="test", expiry="90")
    assert page.status == 422
    assert "Give the key a name that says where it is used." in page.text
    assert page.one("input[name=token]")["value"] == token
    assert page.one("input[value=test]").get("checked") is not None
    page.submit("Make the key", name="x" * 101)
    assert page.status == 422
    assert "Use 100 characters at most." in page.text
    assert keys_of(world, world.northwind) == []
    assert events(world) == []
    page.submit("Make the key", name="a\x1b[2Jb\x00\x9b")
    assert "Key “a[2Jb” is ready" in page.text


def test_a_name_is_only_text(world, browse):
    page = fill_in(browse(world.olive), name=XSS)
    assert XSS in page.text
    for path in ("/keys", "/", page.visit("/keys").one("#key-list th a")["href"]):
        page.visit(path)
        assert page.select("img[src=x]") == []
    page.visit("/keys").follow(f"Revoke {XSS}")
    assert XSS in page.text
    assert page.select("img[src=x]") == []


@pytest.mark.parametrize("fault", ["down", "silent", "failing", "html", "truncated", "wrong-types", "huge"])
def test_no_answer_is_said_to_be_no_answer(world, fault):
    page = world.browser(world.olive).visit("/keys/new")
    world.break_gateway(fault)
    page.submit("Make the key", name="ci")
    assert page.status == 503
    assert "It is not known yet whether the key “ci” was made" in page.text
    assert "If a key was made, nobody has seen its secret, and Anuma revokes it" in page.text
    assert page.select("#secret") == []
    assert events(world) == ["key.requested", "key.unknown"]


def test_an_unanswered_key_is_withdrawn_by_the_worker(world, browse):
    page = browse(world.olive).visit("/keys/new")
    world.break_gateway()
    page.submit("Make the key", name="ci")
    world.run_worker(seconds=3)
    assert world.rows(KeyIntent)[0].outcome == "unknown"
    world.mend_gateway()
    page.visit("/keys")
    assert "The key “ci” was asked for" in page.text
    assert "The gateway has not answered." in page.text
    assert "has not said whether it made the key ci" in page.visit("/").text
    world.run_worker(seconds=60)
    page.visit("/keys")
    assert "was asked for" not in page.text
    (row,) = page.table("API keys")
    assert row["State"].startswith("Revoked · in effect")
    assert events(world) == ["key.requested", "key.unknown", "key.withdrawn"]


def test_a_lost_answer_leaves_no_key_that_works(world, browse, monkeypatch):
    made = []
    real = type(world.gateway).create_key

    def lose_the_answer(gateway, *arguments):
        made.append(real(gateway, *arguments))
        raise GatewayUnavailable("The gateway does not answer.")

    page = browse(world.olive).visit("/keys/new")
    monkeypatch.setattr(type(world.gateway), "create_key", lose_the_answer)
    page.submit("Make the key", name="ci")
    monkeypatch.undo()
    assert "It is not known yet" in page.text
    assert made[0].secret not in page.text
    assert world.chat(made[0].secret).status_code == 200
    world.run_worker(seconds=3)
    assert world.chat(made[0].secret).status_code == 401
    (key,) = keys_of(world, world.northwind)
    assert (key.id, key.state) == (made[0].id, "revoked")


@pytest.mark.parametrize(("status", "outcome"), [(422, "refused"), (403, "unknown"), (409, "unknown")])
def test_only_a_body_that_is_refused_proves_that_no_key_was_made(world, monkeypatch, status, outcome):
    page = world.browser(world.olive).visit("/keys/new")
    world.break_gateway()
    page.submit("Make the key", name="ci")
    world.mend_gateway()

    def refuse(*_):
        raise GatewayRefused("No.", status=status, code="no")

    monkeypatch.setattr(type(world.gateway), "create_key", refuse)
    world.run_worker(seconds=3)
    (intent,) = world.rows(KeyIntent)
    assert intent.outcome == outcome
    assert ("was asked for" in page.visit("/keys").text) == (outcome == "unknown")
    assert (events(world)[-1] == "key.refused") == (outcome == "refused")


def test_a_withdrawal_is_not_claimed_before_it_is_in_effect(world, monkeypatch):
    page = world.browser(world.olive).visit("/keys/new")
    world.break_gateway()
    page.submit("Make the key", name="ci")
    world.mend_gateway()
    later_in_effect(world, monkeypatch)
    world.run_worker(seconds=3)
    assert world.rows(KeyIntent)[0].outcome == "unknown"
    monkeypatch.undo()
    world.run_worker(seconds=3)
    assert world.rows(KeyIntent)[0].outcome == "withdrawn"


def test_an_answer_that_comes_too_late_does_not_show_its_secret(world, browse, monkeypatch):
    made = []
    real = type(world.gateway).create_key

    def answer_late(gateway, *arguments):
        made.append(real(gateway, *arguments))
        monkeypatch.undo()
        world.clock.advance(seconds=60)
        world.run_worker()
        return made[0]

    page = browse(world.olive).visit("/keys/new")
    monkeypatch.setattr(type(world.gateway), "create_key", answer_late)
    page.submit("Make the key", name="ci")
    assert made[0].secret not in page.text
    assert "This key was withdrawn" in page.text
    assert world.chat(made[0].secret).status_code == 401
    assert events(world) == ["key.requested", "key.withdrawn"]


def test_a_double_click_makes_one_key_and_promises_nothing(world, monkeypatch):
    page = world.browser(world.olive).visit("/keys/new")
    token = page.one("input[name=token]")["value"]
    fields = {"csrf_token": page.csrf_token(), "token": token, "name": "ci", "environment": "live", "expiry": "never"}
    answers = []
    real = type(world.gateway).create_key

    def click_again(gateway, *arguments):
        monkeypatch.undo()
        answers.append(page.request("POST", "/keys", data=fields))
        assert "was asked for" not in page.request("GET", "/keys").text
        return real(gateway, *arguments)

    monkeypatch.setattr(type(world.gateway), "create_key", click_again)
    answers.append(page.request("POST", "/keys", data=fields))
    second, first = answers
    assert "is ready" in first.text
    assert second.status_code == 202
    assert "This form was sent twice" in second.text
    assert "revokes it" not in second.text
    assert len(keys_of(world, world.northwind)) == 1


def test_an_account_that_the_gateway_does_not_know_yet(world, browse):
    with world.db.transaction() as tx:
        tx.get_one(Account, world.northwind).gateway_synced_at = None
    page = browse(world.olive).visit("/keys/new")
    world.break_gateway()
    page.submit("Make the key", name="ci")
    assert page.status == 503
    assert "The gateway does not answer. No key was made." in page.text
    assert events(world) == []
    world.mend_gateway()
    page.submit("Make the key")
    assert "Key “ci” is ready" in page.text


def test_pages_of_an_account_that_the_gateway_does_not_know(world, monkeypatch):
    def refuse(*_, **__):
        raise GatewayRefused("There is no such thing here.", status=404, code="not_found")

    for name in ("keys", "requests", "overview"):
        monkeypatch.setattr(type(world.gateway), name, refuse)
    page = world.browser(world.olive)
    for path in ("/", "/keys", "/requests"):
        assert (
            "The gateway does not know this account. The next change you make here tells it." in page.visit(path).text
        )


def test_a_refusal_makes_no_key_and_says_why(world, browse):
    page = browse(world.olive).visit("/keys/new")
    token = page.one("input[name=token]")["value"]
    world.break_gateway("refusing")
    page.submit("Make the key", name="ci")
    assert page.status == 502
    assert "The gateway refused: This account is suspended. No key was made." in page.text
    assert page.one("input[name=token]")["value"] != token
    assert page.one("input[name=name]")["value"] == "ci"
    world.mend_gateway()
    page.submit("Make the key")
    assert "Key “ci” is ready" in page.text
    assert events(world) == ["key.requested", "key.refused", "key.requested", "key.created"]
    assert "This account is suspended" in details(world)


def test_somebody_elses_token_is_of_no_use(world):
    page = world.browser(world.olive).visit("/keys/new")
    token = page.one("input[name=token]")["value"]
    page.submit("Make the key", name="ci")
    for thief in (world.strange, world.ada):
        other = world.browser(thief).visit("/keys/new")
        fields = {"csrf_token": other.csrf_token(), "token": token, "name": "x", "environment": "live"}
        answer = other.request("POST", "/keys", data=fields | {"expiry": "never"})
        assert answer.status_code == 404
        assert "ci" not in answer.text.replace("circle", "")
    assert len(keys_of(world, world.northwind)) == 1


def test_a_token_that_is_none_is_refused(world):
    page = world.browser(world.olive).visit("/keys/new")
    fields = {"csrf_token": page.csrf_token(), "token": "x", "name": "ci", "environment": "live", "expiry": "never"}
    answer = page.request("POST", "/keys", data=fields)
    assert answer.status_code == 422
    assert "This form is out of date. Send it again." in answer.text


def test_a_new_key_asks_who_you_are(world, browse):
    page = browse(world.dev)
    world.clock.advance(minutes=11)
    assert page.visit("/keys/new").heading == "Confirm that it is you"


def test_what_was_typed_is_kept_while_one_confirms(world, browse):
    page = browse(world.dev).visit("/keys/new")
    world.clock.advance(minutes=11)
    page.submit("Make the key", name="laptop", environment="test")
    assert page.heading == "Confirm that it is you"
    (draft,) = world.rows(Draft)
    with world.db.transaction() as tx:
        tx.get_one(BrowserSession, draft.session_id).authenticated_at = world.clock()
    page.visit(f"/keys/new?draft={draft.id}")
    assert page.one("input[name=name]")["value"] == "laptop"
    assert page.one("input[value=test]").get("checked") is not None
    assert page.visit(f"/keys/new?draft={uuid4()}").one("input[name=name]").get("value") in (None, "")
    assert keys_of(world, world.northwind) == []


@pytest.mark.parametrize("who", ["bill", "vera"])
def test_who_may_not_make_keys(world, who):
    page = world.browser(world.people[who])
    assert page.request("GET", "/keys/new").status_code == 403
    page.visit("/")
    assert page.request("POST", "/keys", data={"csrf_token": page.csrf_token()}).status_code == 403
    if who == "vera":
        assert not page.visit("/keys").offers("New key")


def test_the_examples_run_as_they_are(world):
    page = fill_in(world.browser(world.olive), environment="test")
    secret = page.one("#secret").text
    snippets = call_snippets(world.settings.gateway_public_url, secret)
    placeholders = call_snippets(world.settings.gateway_public_url)
    for kind in ("plain", "streaming"):
        for found, environ in ((getattr(snippets, kind), {}), (getattr(placeholders, kind), {"ANUMA_API_KEY": secret})):
            code = {language: text for _, language, text in found}
            for command in ([sys.executable, "-c", code["python"]], ["bash", "-c", code["bash"]]):
                done = subprocess.run(
                    command, env=environ | {"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
                )
                assert done.returncode == 0, done.stderr
                assert "Hello" in done.stdout
