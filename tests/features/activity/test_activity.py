"""What was done, by whom, from where; and whether the record is whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import delete

from anuma_dash.audit import EVENTS, AuditDetail, AuditEntry, Event, record
from anuma_dash.features.activity import service
from anuma_dash.features.activity.service import KINDS, Piece, fill
from anuma_dash.identity import WORKER
from tests.features.data_controls.steps import switch


def log(world, person, event: Event, **fields) -> AuditEntry:
    actor = replace(person.actor, address="192.0.2.14") if person else WORKER
    account_id = person.account_id if person else world.northwind
    with world.db.transaction() as tx:
        return record(tx, actor, event, at=world.clock.now, account_id=account_id, **fields)


def lines(page) -> list[str]:
    return [node.text for node in page.select(".timeline li")]


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


def test_a_line_leads_to_its_thing_where_one_may_go(world, browse):
    key = "0190a0aa-0000-7000-8000-000000000001"
    log(world, world.dev, Event.DELETION_REQUESTED, deletion_id=key, category="request_content", count=3)
    log(world, world.vera, Event.KEY_CREATED, name="CI", key_id=key, last_four="t0Bn")
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity")
    targets = [link["href"] for link in page.select(".timeline .detail a")]
    assert targets == ["/data-controls", "/data-controls", f"/keys/{key}", f"/deletions/{key}"]


def test_erased_details_leave_a_place(world, browse):
    entry = log(world, world.ada, Event.MEMBER_ADDED, member="Zed Quill", member_id="m", role="viewer")
    with world.db.transaction() as tx:
        tx.execute(delete(AuditDetail).where(AuditDetail.entry_id == entry.id))
    page = browse(world.olive).visit("/activity")
    assert lines(page)[0].startswith("Details erased (member.added)")
    assert "Zed Quill" not in page.text
    assert "192.0.2.14" not in page.text
    page.follow("Check the chain now")
    assert "checked now" in page.text
    assert "1 entry has erased details; their place in the chain still holds." in page.text


def test_filters_live_in_the_url(world, browse):
    log(world, world.ada, Event.MEMBER_ADDED, member="Zed Quill", member_id="m", role="viewer")
    switch(world, world.olive, True)
    page = browse(world.olive).visit("/activity").submit("Filter", what="control")
    assert len(lines(page)) == 2
    assert "what=control" in page.path
    page.submit("Filter", who=str(world.olive.id))
    assert [line.startswith("Olive Lindqvist asked") for line in lines(page)] == [True]
    page.submit("Filter", what="", who=service.SYSTEM)
    assert lines(page)
    assert not any(line.startswith("Olive") for line in lines(page))
    page.submit("Filter", what="deletion", who="")
    assert "Nothing fits" in page.text
    page.follow("Clear the filters")
    assert page.path == "/activity"
    for nonsense in ("who=nobody", "what=nonsense&who=x"):
        assert page.visit(f"/activity?{nonsense}").status == 200


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


def test_the_chain_is_said_to_hold_only_when_it_was_walked(world, browse):
    page = browse(world.olive).visit("/activity")
    assert "the chain holds" not in page.text
    page.follow("Verify")
    assert "5 entries; the chain holds up to entry 5, checked now" in page.text
    assert f"python -m anuma_dash audit verify --account {world.northwind}" in page.text
    switch(world, world.olive, True)
    page.follow("Check again")
    assert "7 entries; the chain holds up to entry 7, checked now" in page.text


def test_a_broken_chain_is_named(world):
    (third,) = world.rows(AuditEntry, chain=world.northwind, number=3)
    with world.behind_the_triggers() as tx:
        tx.get_one(AuditEntry, third.id).event = "session.ended"
    page = world.browser(world.olive).visit("/activity/verification")
    assert "The chain does not hold from entry 3 on" in page.text
    assert "An entry was changed." in page.text
    assert "checked now" not in page.text


def test_a_long_chain_is_not_walked_while_somebody_waits(world, monkeypatch):
    monkeypatch.setattr(service, "LONGEST_VERIFIED", 3)
    page = world.browser(world.olive).visit("/activity/verification")
    assert "5 entries, not checked here" in page.text
    assert "holds" not in page.one("#chain").text


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
        assert str(piece.value).strip() in line
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
