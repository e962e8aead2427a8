"""Test it now: the gateway looks for a test string, and the page says what it found."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.features.data_controls.models import ControlTest
from anuma_dash.features.data_controls.service import verdict
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from tests.features.data_controls.steps import make_key, switch
from tests.features.data_controls.test_states import NOW


@pytest.mark.parametrize("enabled", [False, True])
def test_a_test_says_where_it_looked_and_what_it_found(world, browse, enabled):
    switch(world, world.olive, enabled)
    make_key(world, world.olive, "production")
    page = browse(world.olive).visit("/data-controls").submit("Test it now")
    assert page.heading == "Test of prompt logging"
    assert "Passed" in page.text
    if enabled:
        assert "The request was to be stored, and it was: encrypted, and nowhere in plain text." in page.text
        assert "The content can be read" in page.text
    else:
        assert "No content was to be stored, and none was." in page.text
        assert "There is no content to read" in page.text
    rows = page.table("Raw scan")
    assert len(rows) >= 2
    assert all(row["Control string"] == "Found, the search works" for row in rows)
    assert all(row["Test string"] == "Not found" for row in rows)
    assert "What this test cannot reach" in page.text
    assert "production" in page.text
    page.visit("/data-controls")
    assert [row["Result"] for row in page.table("Last tests")] == ["Passed"]
    assert "tested Prompt logging: as it must be" in page.visit("/activity").text


def test_a_second_test_within_the_minute_waits(world, browse):
    make_key(world, world.olive)
    page = browse(world.olive).visit("/data-controls").submit("Test it now")
    page.visit("/data-controls").submit("Test it now")
    assert page.status == 429
    assert 0 < int(page.headers["Retry-After"]) <= 60
    assert "One test a minute is enough for the gateway. Try again in" in page.text
    assert len(world.rows(ControlTest)) == 1


def test_sending_the_form_twice_tests_once(world):
    make_key(world, world.olive)
    page = world.browser(world.olive).visit("/data-controls")
    key = page.select("#test-key option")[0]["value"]
    data = {"csrf_token": page.csrf_token(), "key": key, "test": str(new_id())}
    first, second = (page.request("POST", "/data-controls/tests", data=data) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    assert len(world.rows(ControlTest)) == 1
    assert [entry.event for entry in world.rows(AuditEntry)].count("control.tested") == 1


def test_without_a_key_it_says_to_make_one(world, browse):
    page = browse(world.olive).visit("/data-controls")
    assert "A test needs a key that works." in page.text
    assert not page.select("#test-now")


def test_a_revoked_or_foreign_key_is_refused(world):
    key, foreign = make_key(world, world.olive), make_key(world, world.strange)
    page = world.browser(world.olive).visit("/data-controls")
    world.server.client.revoke_key(world.olive.actor, world.northwind, key.id)
    for bad in (str(key.id), str(foreign.id), str(new_id()), "nonsense", ""):
        data = {"csrf_token": page.csrf_token(), "key": bad, "test": str(new_id())}
        assert page.request("POST", "/data-controls/tests", data=data).status_code == 422, bad
    assert world.rows(ControlTest) == []
    assert "A test needs a key that works." in page.reload().text


def test_without_the_gateway_nothing_is_recorded(world, browse):
    make_key(world, world.olive)
    page = browse(world.olive).visit("/data-controls")
    world.break_gateway()
    page.submit("Test it now")
    assert page.status == 503
    assert "there is no result. Nothing was recorded" in page.text
    assert world.rows(ControlTest) == []


def test_everybody_who_may_look_sees_the_result_and_nobody_else(world):
    make_key(world, world.olive)
    page = world.browser(world.olive).visit("/data-controls").submit("Test it now")
    for person in ("ada", "dev", "bill", "vera"):
        assert world.browser(getattr(world, person)).visit(page.path).status == 200
    assert world.browser(world.strange).visit(page.path).status == 404
    assert world.browser(world.olive).visit(f"/data-controls/tests/{new_id()}").status == 404


def test_a_token_of_another_account_finds_nothing(world):
    make_key(world, world.olive)
    key = make_key(world, world.strange)
    made = world.browser(world.olive).visit("/data-controls").submit("Test it now").path.rpartition("/")[2]
    page = world.browser(world.strange).visit("/data-controls")
    data = {"csrf_token": page.csrf_token(), "key": str(key.id), "test": made}
    assert page.request("POST", "/data-controls/tests", data=data).status_code == 404


def found(*scans: tuple[bool, bool], expected: bool, readable: bool, passed: bool = True) -> schemas.Canary:
    values = {
        "id": new_id(),
        "at": NOW,
        "key_id": new_id(),
        "request_id": new_id(),
        "epoch": 3,
        "expected": expected,
        "readable": readable,
        "decision": {"stored": expected, "rule": "account_control", "level": "account", "epoch": 3},
        "scans": [
            {"store": "main database", "searched_bytes": 10, "control_found": control, "test_found": test}
            for control, test in scans
        ],
        "not_reached": [],
        "passed": passed,
    }
    return schemas.Canary.model_validate(values)


CLEAN = (True, False)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (found(CLEAN, CLEAN, expected=False, readable=False), "as it must be, nothing stored"),
        (found(CLEAN, expected=True, readable=True), "as it must be, stored and encrypted"),
        (found(expected=False, readable=False), "inconclusive"),
        (found(CLEAN, (False, False), expected=False, readable=False), "inconclusive"),
        (found(CLEAN, (True, True), expected=True, readable=True), "failed, the test string was found unencrypted"),
        (found(CLEAN, expected=False, readable=True), "failed, content was stored although it must not be"),
        (found(CLEAN, expected=True, readable=False), "failed, content was not stored although it must be"),
        (found(CLEAN, expected=False, readable=False, passed=False), "failed, by the gateway's own word"),
    ],
)
def test_the_verdict_is_ours(report, words):
    assert verdict(report).startswith(words)


@pytest.mark.parametrize(
    "report", [found((False, False), expected=False, readable=False), found(CLEAN, expected=False, readable=True)]
)
def test_a_test_that_did_not_pass_says_so(world, report, monkeypatch):
    make_key(world, world.olive)
    monkeypatch.setattr(Gateway, "test_control", lambda *_: report)
    page = world.browser(world.olive).visit("/data-controls").submit("Test it now")
    assert verdict(report) in page.text
    assert "Passed" not in page.text
    assert "Not passed" in page.visit("/data-controls").text
