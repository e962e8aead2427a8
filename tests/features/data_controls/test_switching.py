"""Switching prompt logging on and off, plainly and with htmx: the same words, the same end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from anuma_dash.domain import disclosures
from anuma_dash.domain.controls import ControlChange
from tests.features.data_controls.steps import SWITCH, control, make_key, pill, stored, switch, switch_of


def switch_on(page: Any) -> None:
    page.submit(SWITCH)
    page.submit("Switch it on", accepted=True)


def test_a_new_account_stores_nothing(world, browse):
    page = browse(world.olive).visit("/data-controls")
    assert pill(page) == "Off"
    assert switch_of(page) == ("false", False)
    assert "never switched on" in control(page)
    assert "In effect since" in control(page)
    row = page.table("What is stored right now")[0]
    assert row["Items"] == "0"
    assert row["Next scheduled deletion"] != "none scheduled"
    assert "Legal duties can delay a deletion" in page.text


def test_on_shows_the_disclosure_and_takes_its_acceptance(world, browse):
    page = browse(world.olive).visit("/data-controls")
    page.submit(SWITCH)
    for words in ("What is stored", "improve", "30 days", "train", "Who sees it", "de-identified", "text version 2"):
        assert words in page.text
    assert world.rows(ControlChange) == []
    page.submit("Switch it on", accepted=True)
    assert pill(page) == "On"
    assert switch_of(page) == ("true", False)
    assert "Prompt logging is on, confirmed by the gateway." in page.text
    assert "settings version 1" in control(page)
    assert "You accepted text version 2" in control(page)
    assert "Changed by Olive Lindqvist, confirmed by the gateway" in control(page)
    assert "Kept for 30 days" in control(page)
    [row] = world.rows(ControlChange)
    assert (row.disclosure_version, row.disclosure_sha256) == (
        2,
        disclosures.current_disclosure("prompt_logging").sha256,
    )


def test_without_the_tick_nothing_happens_and_the_error_is_linked(world, browse):
    page = browse(world.olive).visit("/data-controls")
    page.submit(SWITCH).submit("Switch it on")
    assert page.status == 422
    assert "Tick the box to say that you have read what will be stored." in page.text
    assert page.one("#accept [role=alert] a")["href"] == "#accepted"
    assert page.one("#accepted")["aria-describedby"].split()[-1] == "accepted-error"
    assert world.rows(ControlChange) == []
    page.submit("Switch it on", accepted=True)
    assert pill(page) == "On"


def test_a_text_that_changed_meanwhile_must_be_read_again(world, browse, monkeypatch):
    page = browse(world.olive).visit("/data-controls").submit(SWITCH)
    newer = replace(disclosures.current_disclosure("prompt_logging"), version=3, title="A new text")
    monkeypatch.setattr(disclosures, "_DISCLOSURES", (*disclosures._DISCLOSURES, newer))
    page.submit("Switch it on", accepted=True)
    assert page.status == 422
    assert "The text has changed since you opened it." in page.text
    assert "A new text" in page.text
    assert not page.select("#accepted[checked]")
    assert world.rows(ControlChange) == []
    page.submit("Switch it on", accepted=True)
    assert pill(page) == "On"
    assert world.rows(ControlChange)[0].disclosure_version == 3


def test_a_forged_hash_is_not_an_acceptance(world):
    page = world.browser(world.olive).visit("/data-controls/prompt-logging/edit")
    data = {"csrf_token": page.csrf_token(), "state": "on", "accepted": "y", "sha256": "0" * 64}
    assert page.request("POST", "/data-controls/prompt-logging", data=data).status_code == 422
    assert page.request("POST", "/data-controls/prompt-logging", data=data | {"state": "x"}).status_code == 422
    assert world.rows(ControlChange) == []


def test_leaving_the_disclosure_changes_nothing(world, browse):
    page = browse(world.olive).visit("/data-controls").submit(SWITCH).follow("Leave it as it is")
    assert pill(page) == "Off"
    assert world.rows(ControlChange) == []


def test_off_stops_storing_and_deletes_nothing(world, browse):
    key = make_key(world, world.olive)
    page = browse(world.olive).visit("/data-controls")
    switch_on(page)
    assert [stored(world, key.secret) for _ in range(3)] == [True] * 3
    page.reload()
    assert "Last 3 requests under it: 3 stored content" in control(page)
    assert page.table("What is stored right now")[0]["Items"] == "3"
    page.submit(SWITCH)
    assert pill(page) == "Off"
    assert "settings version 2" in control(page)
    assert "3 stored requests from" in control(page)
    assert "are still here." in control(page)
    assert "it deletes nothing" in control(page)
    assert not stored(world, key.secret)
    page.reload()
    assert "Last 1 request under it: 0 stored content" in control(page)
    assert page.table("What is stored right now")[0]["Items"] == "3"


def test_keeping_what_is_stored_is_a_choice_that_is_recorded(world, browse):
    key = make_key(world, world.olive)
    page = browse(world.olive).visit("/data-controls")
    switch_on(page)
    stored(world, key.secret)
    page.reload().submit(SWITCH)
    assert "1 stored request from" in control(page)
    assert page.offers("Keep them")
    assert page.offers("Also delete them")
    page.submit("Keep them")
    assert "They are kept until their period ends" in page.text
    assert not page.offers("Also delete them")
    assert "1 stored request from" in control(page)
    assert "kept, by your choice of" in control(page)
    assert "chose to keep 1 stored request" in page.visit("/activity").text
    switch(world, world.olive, True)
    switch(world, world.olive, False)
    assert page.visit("/data-controls").offers("Keep them"), "a new switching off asks anew"


def test_keeping_is_refused_while_it_is_on(world):
    key = make_key(world, world.olive)
    switch(world, world.olive, True)
    stored(world, key.secret)
    switch(world, world.olive, False)
    page = world.browser(world.olive).visit("/data-controls")
    form = {one["name"]: one["value"] for one in page.select("form[action$=keeping] input")}
    switch(world, world.olive, True)
    assert page.request("POST", "/data-controls/prompt-logging/keeping", data=form).status_code == 409
    for forged in ("1", "", "many", "9" * 5000, form["shown"][:-3] + "AAA", form["csrf_token"]):
        answer = page.request("POST", "/data-controls/prompt-logging/keeping", data=form | {"shown": forged})
        assert answer.status_code == 422, forged
    assert "chose to keep" not in page.visit("/activity").text


def test_two_tabs_the_last_request_wins_and_both_see_it(world, browse):
    first, second = browse(world.olive).visit("/data-controls"), browse(world.ada).visit("/data-controls")
    first.submit(SWITCH)
    switch_on(second)
    first.submit("Switch it on", accepted=True)
    assert pill(first) == pill(second.reload()) == "On"
    assert len(world.rows(ControlChange)) == 1, "what is already so makes no new version"
    assert "Ada Moreau accepted text version 2" in control(first)
    first.submit(SWITCH)
    assert pill(first) == pill(second.reload()) == "Off"
    # The second tab still shows "on" in a third window: it sends the state it wants, and never flips.
    page = world.browser(world.ada).visit("/data-controls")
    data = {"csrf_token": page.csrf_token(), "state": "off"}
    assert page.request("POST", "/data-controls/prompt-logging", data=data).status_code == 303
    assert pill(page.reload()) == "Off"
    assert len(world.rows(ControlChange)) == 2


@pytest.mark.parametrize("path", ["/data-controls/unknown", "/data-controls/unknown/edit"])
def test_an_unknown_control_is_missing(world, path):
    assert world.browser(world.olive).visit(path).status == 404


@pytest.mark.parametrize(
    ("person", "looks", "changes"),
    [("olive", 200, True), ("ada", 200, True), ("dev", 200, False), ("bill", 200, False), ("vera", 200, False)],
)
def test_who_may_look_and_who_may_change(world, person, looks, changes):
    page = world.browser(getattr(world, person)).visit("/data-controls")
    assert page.status == looks
    assert pill(page) == "Off"
    assert bool(page.select("#prompt-logging [role=switch]")) == changes
    expected = 200 if changes else 403
    assert page.request("GET", "/data-controls/prompt-logging/edit").status_code == expected
    data = {"csrf_token": page.csrf_token(), "state": "off"}
    for path in ("prompt-logging", "prompt-logging/keeping", "prompt-logging/repetition", "tests"):
        answer = page.request("POST", f"/data-controls/{path}", data=data)
        assert (answer.status_code == 403) != changes, path


def test_another_account_is_untouched(world):
    switch(world, world.olive, True)
    page = world.browser(world.strange).visit("/data-controls")
    assert pill(page) == "Off"
    assert "Olive" not in page.text
