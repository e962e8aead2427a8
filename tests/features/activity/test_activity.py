"""What was done, by whom, from where; and whether the record is whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import delete

from anuma_dash.audit import EVENTS, AuditDetail, Event, record
from anuma_dash.db import new_id
from anuma_dash.domain.activity_words import Change, Piece, changes_of, fill
from anuma_dash.features.activity import service
from anuma_dash.features.activity.service import KINDS
from anuma_dash.identity import OPERATOR, Actor
from tests.features.activity.steps import lines, log
from tests.features.data_controls.steps import switch


def test_sentences_say_who_what_when_and_from_where(world, browse):
    log(world, world.olive, Event.SIGNED_IN, provider="sandbox", session_id="s")
    log(world, world.ada, Event.MEMBER_ADDED, member="Zed Quill", member_id="m", role="viewer")
    page = browse(world.olive).visit("/activity")
    assert lines(page)[0].startswith("Ada Moreau made Zed Quill viewer")
    assert "192.0.2.14" in lines(page)[0]
    assert "Olive Lindqvist signed in through sandbox" in lines(page)[1]
    assert page.select(".timeline time[datetime]")
    assert page.one("h2.day").text == "Today"


def test_what_the_system_did_reads_as_a_sentence(world, browse):
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity")
    assert lines(page)[0].startswith("Prompt logging is on, confirmed by the gateway (settings version 1)")
    assert "Anuma · " in lines(page)[0]
    assert lines(page)[1].startswith("Olive Lindqvist asked to change Prompt logging from off to on")


def test_what_was_changed_stands_before_and_after(world, browse):
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity")
    assert [node.text for node in page.select(".changes")] == ["before off after on"]
    assert [node.text for node in page.select(".changes del, .changes ins")] == ["off", "on"]


def test_before_and_after_of_several_things_at_once():
    found = changes_of(
        {
            "old_role": "viewer",
            "new_role": "admin",
            "old": {"name": "A", "country": None, "kept": 1},
            "new": {"name": "B", "country": "SE", "kept": 1},
            "old_alone": "x",
            "new_kind": "y",
            "on": True,
        }
    )
    assert found == [
        Change("Role", "viewer", "admin"),
        Change("Name", "A", "B"),
        Change("Country", "nothing", "SE"),
    ]
    assert changes_of({"old": False, "new": ["a", "b"]}) == [Change("", "off", "a, b")]


def test_staff_the_worker_operators_and_strangers_are_named_as_what_they_are(world, browse):
    support = Actor(kind="staff", user_id=world.sam.id, name="Sam Okoro", support_session_id=new_id())
    others = [
        (support, "Sam Okoro read"),
        (replace(support, support_session_id=None), "Sam Okoro read"),
        (OPERATOR, "Operator read"),
        (Actor(kind="anonymous", address="198.51.100.7"), "Somebody not signed in read"),
    ]
    for actor, _ in others:
        with world.db.transaction() as tx:
            told = {"at": world.clock.now, "account_id": world.northwind, "gateway_request_id": new_id()}
            record(tx, actor, Event.CONTENT_READ, **told)
        world.clock.advance(seconds=1)
    page = browse(world.olive).visit("/activity?what=content")
    said = lines(page)[::-1]
    assert "Sam Okoro opened the stored content of a request Staff, in a support session" in said[0]
    assert "Sam Okoro opened the stored content of a request Staff" in said[1]
    assert "support session" not in said[1]
    assert said[2].startswith("Operator opened")
    assert said[3].startswith("Somebody not signed in opened")
    assert "198.51.100.7" in said[3]
    assert len(page.select(".timeline .pill")) == 2
    page.submit("Filter", who="staff")
    assert len(lines(page)) == 2
    page.submit("Filter", who="system")
    assert len(lines(page)) == 2


def test_a_line_leads_to_its_thing_where_one_may_go(world, browse):
    key = "0190a0aa-0000-7000-8000-000000000001"
    log(world, world.dev, Event.DELETION_REQUESTED, deletion_id=key, category="request_content", count=3)
    log(world, world.vera, Event.KEY_CREATED, name="CI", key_id=key, last_four="t0Bn")
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity")
    targets = [link["href"] for link in page.select(".timeline .detail a") if link.text == "open"]
    assert targets == ["/data-controls", "/data-controls", f"/keys/{key}", f"/deletions/{key}"]


def test_erased_details_leave_a_place(world, browse):
    entry = log(world, world.ada, Event.MEMBER_ADDED, member="Zed Quill", member_id="m", role="viewer")
    with world.db.transaction() as tx:
        tx.execute(delete(AuditDetail).where(AuditDetail.entry_id == entry.id))
    page = browse(world.olive).visit("/activity")
    assert lines(page)[0].startswith("Details erased: Account and people, by a person")
    assert "Zed Quill" not in page.text
    assert "192.0.2.14" not in page.text
    page.visit("/activity/verification").submit("Check the chain now")
    assert "Verified to entry 7 of 7" in page.text
    assert "1 entry has erased details; their place in the chain still holds." in page.text


def test_others_see_their_own_acts_only(world):
    for person in (world.olive, world.dev, world.vera, world.bill):
        log(world, person, Event.SIGNED_IN, provider="sandbox", session_id="s")
    for person in ("dev", "vera", "bill"):
        page = world.browser(getattr(world, person)).visit(f"/activity?who={world.olive.id}")
        assert len(lines(page)) == 1
        assert lines(page)[0].startswith(getattr(world, person).name)
        assert "Olive" not in page.text
        assert not page.select("select[name=who]")
        assert page.visit("/activity/verification").status == 403
        assert not page.offers("Verify")
    assert len(lines(world.browser(world.ada).visit("/activity?what=session"))) == 4


def test_another_account_sees_nothing_of_it(world):
    log(world, world.olive, Event.SIGNED_IN, provider="sandbox", session_id="s")
    page = world.browser(world.strange).visit("/activity")
    assert "Olive" not in page.text
    assert "Northwind" not in page.text


def test_it_needs_no_gateway(world):
    world.break_gateway()
    assert world.browser(world.olive).visit("/activity").status == 200
    assert world.browser(world.olive).visit("/activity/verification").status == 200


@pytest.mark.parametrize("event", list(Event), ids=lambda event: event.value.name)
def test_every_event_reads_as_a_sentence(world, event):
    log(world, world.olive, event, **{name: f"<{name}>" for name in event.value.fields})
    page = world.browser(world.olive).visit("/activity")
    line = lines(page)[0]
    assert "{" not in line
    for piece in fill(event.value.sentence, {name: f"<{name}>" for name in event.value.fields}):
        assert str(piece.value).strip().casefold() in line.casefold()
    assert sum(event.value.name.startswith(begins) for _, begins in KINDS.values()) == 1, "each has one kind"


def test_an_event_that_is_not_known_any_more_is_still_listed(world, monkeypatch):
    log(world, world.olive, Event.SIGNED_IN, provider="sandbox", session_id="s")
    monkeypatch.setattr(service, "EVENTS", {name: e for name, e in EVENTS.items() if name != "session.started"})
    assert "Olive Lindqvist session.started" in lines(world.browser(world.olive).visit("/activity"))[0]


def test_a_sentence_is_filled_in():
    at = "2026-11-22T10:02:14+00:00"
    assert fill("at {in_effect_at}, {n} of {count}", {"in_effect_at": at, "n": 1204}) == [
        Piece("at "),
        Piece(datetime.fromisoformat(at)),
        Piece(", "),
        Piece("1,204"),
        Piece(" of "),
        Piece("an unknown number of"),
    ]
    assert fill("{in_effect_at} {many}", {"in_effect_at": "soon", "many": ["a", 2]}) == [
        Piece("soon"),
        Piece(" "),
        Piece("a, 2"),
    ]
