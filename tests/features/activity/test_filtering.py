"""Finding something in the activity: by kind, person, thing and day, all in the address, page by page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anuma_dash.audit import Event
from anuma_dash.db import new_id
from anuma_dash.features.activity.filters import SYSTEM, Position
from anuma_dash.identity import User
from tests.features.activity.steps import lines, log
from tests.features.data_controls.steps import switch

KEY = "0190a0aa-0000-7000-8000-000000000001"


def test_filters_live_in_the_url(world, browse):
    log(world, world.ada, Event.MEMBER_ADDED, member="Zed Quill", member_id="m", role="viewer")
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity").submit("Filter", what="control")
    assert len(lines(page)) == 2
    assert "what=control" in page.path
    page.submit("Filter", who=str(world.olive.id))
    assert [line.startswith("Olive Lindqvist asked") for line in lines(page)] == [True]
    page.submit("Filter", what="", who=SYSTEM)
    assert lines(page)
    assert not any(line.startswith("Olive") for line in lines(page))
    page.submit("Filter", what="deletion", who="")
    assert "Nothing fits" in page.text
    page.follow("Clear the filters")
    assert page.path == "/activity"
    for nonsense in ("who=nobody", "what=nonsense&who=x"):
        assert page.visit(f"/activity?{nonsense}").status == 200
        assert "Nothing fits" in page.text


def test_paging_goes_through_everything_once(world, browse, monkeypatch):
    monkeypatch.setattr("anuma_dash.features.activity.routes.PAGE_ROWS", 3)
    for number in range(5):
        log(world, world.olive, Event.SIGNED_IN, provider=f"p{number}", session_id="s")
    page = browse(world.olive).visit("/activity?what=session")
    first = lines(page)
    page.follow("Next page")
    assert "what=session" in page.path
    assert len(lines(page)) == 2
    assert len({*first, *lines(page)}) == 5
    page.follow("First page")
    assert lines(page) == first
    for nonsense in ("x", "-1", "9" * 30, "²"):
        assert page.visit(f"/activity?after={nonsense}").status == 404


def test_only_this_thing(world, browse):
    log(world, world.dev, Event.KEY_CREATED, name="CI", key_id=KEY, last_four="t0Bn")
    log(world, world.dev, Event.KEY_CREATED, name="Laptop", key_id=new_id(), last_four="x1Yz")
    log(world, world.olive, Event.KEY_REVOCATION_REQUESTED, name="CI", key_id=KEY, last_four="t0Bn")
    log(world, world.ada, Event.MEMBER_ADDED, member="Zed Quill", member_id=new_id(), role="viewer")
    page = browse(world.olive).visit("/activity?what=key")
    page.follow("only this key", within=".timeline li:first-child")
    assert f"object=key%3A{KEY}" in page.path.replace(":", "%3A")
    assert "what=key" in page.path
    assert [line.split("(")[0] for line in lines(page)] == [
        "Olive Lindqvist asked to revoke the key CI ",
        "Dev Kapoor created the key CI ",
    ]
    page.submit("Filter", who=str(world.dev.id))
    assert len(lines(page)) == 1
    page.follow("Remove filter Only one key")
    assert len(lines(page)) == 2
    page.visit("/activity").follow("about this person", within=".timeline li:first-child")
    assert len(lines(page)) == 1
    assert "About one person" in page.text
    page.visit("/activity?object=nonsense")
    assert page.status == 422
    assert "The address names a thing in a way that cannot be read." in page.text
    assert lines(page) == []
    assert "Nothing fits" in page.visit(f"/activity?object=key:{new_id()}").text


def test_only_this_person_though_they_have_left(world, browse):
    log(world, replace(world.pria, account_id=world.northwind), Event.SIGNED_IN, provider="sandbox", session_id="s")
    page = browse(world.olive).visit("/activity")
    page.follow(f"only {world.pria.name}", within=".timeline li:first-child")
    assert len(lines(page)) == 1
    assert page.one("select[name=who] option[selected]").text == world.pria.name
    assert "Somebody who did nothing here" in page.visit(f"/activity?who={world.strange.id}").text


def test_days_are_the_persons_own(world, browse):
    with world.db.transaction() as tx:
        tx.get_one(User, world.olive.id).time_zone = "Pacific/Auckland"
    start = world.clock.now
    # 23:30 UTC on March 3 is March 4 in Auckland already.
    for moment in ("2026-03-03T10:00", "2026-03-03T23:30", "2026-03-04T10:59", "2026-03-04T11:30"):
        world.clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        log(world, world.dev, Event.SIGNED_IN, provider=moment[5:], session_id="s")
    world.clock.now = start
    page = browse(world.olive).visit("/activity").submit("Filter", **{"from": "2026-03-04", "to": "2026-03-04"})
    assert ["03-03T23:30" in lines(page)[1], "03-04T10:59" in lines(page)[0], len(lines(page))] == [True, True, 2]
    assert "from=2026-03-04" in page.path
    page.submit("Filter", what="session", who=str(world.dev.id), **{"from": "", "to": "2026-03-03"})
    assert len(lines(page)) == 1
    page.follow("Remove filter To 2026-03-03")
    assert len(lines(page)) == 4


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-02-30", "Enter a day as year-month-day"),
        ("to=yesterday", "Enter a day as year-month-day"),
        ("from=20260304", "Enter a day as year-month-day"),
        ("from=0001-01-01", "Enter a day as year-month-day"),
        ("from=2026-03-05&to=2026-03-04", "The last day is before the first one."),
    ],
)
def test_days_that_cannot_be_read_are_named_and_nothing_is_listed(world, query, said):
    page = world.browser(world.olive).visit(f"/activity?{query}")
    assert page.status == 422
    assert said in page.text
    assert page.one("input[aria-invalid=true]")["name"] in query
    assert lines(page) == []
    assert not page.offers("Export this list")
    page.follow("Clear the filters")
    assert lines(page)


def test_every_page_of_every_filter_holds_each_entry_once(world, monkeypatch):
    monkeypatch.setattr("anuma_dash.features.activity.routes.PAGE_ROWS", 2)
    at = world.clock.now
    for number in range(7):
        # Times that stand still and that jump back are told apart by the entries' numbers.
        world.clock.now = at + timedelta(minutes=(0, 0, 5, 2, 2, 9, 9)[number])
        event = (Event.SIGNED_IN, Event.SIGNED_OUT)[number % 2]
        fields = {"provider": f"p{number}"} if event is Event.SIGNED_IN else {}
        log(world, world.dev, event, **fields, session_id="one")
    page = world.browser(world.olive)
    me, day = world.dev.id, f"{at:%Y-%m-%d}"
    for query in (f"who={me}", "what=session", f"what=session&who={me}", "object=session:one", f"from={day}&who={me}"):
        page.visit(f"/activity?{query}")
        seen = lines(page)
        while page.offers("Next page"):
            page.follow("Next page")
            seen += lines(page)
        assert len(seen) == len(set(seen)) == 7, query
    first = page.visit("/activity?what=session")
    assert [line.split("entry ")[1].split(" ")[0] for line in lines(first)] == ["12", "11"]


def test_a_position_is_read_back_and_nothing_else_is():
    position = Position(datetime(2026, 11, 22, 10, 2, 14, 5, UTC), 1204)
    assert Position.parse(str(position)) == position
    for nonsense in ("", "1", "1.2.3", "-1.2", "1.9999999999", "9" * 18 + ".1", "٣.1"):
        with pytest.raises(ValueError, match="not a position"):
            Position.parse(nonsense)
