"""The list of deletions and the page of one, in every state that the gateway can report."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from anuma_dash.db import new_id
from anuma_dash.domain.deletions import Deletion
from anuma_dash.gateway import schemas
from anuma_dash.web import listing

STORES = ({"store": "main database"}, {"store": "log files", "method": "none_held", "count": 0})


def report(world, state: str, stores=STORES, **more: Any) -> dict[str, Any]:
    now = world.clock.now
    clean = {
        "category": "request_content",
        "count": 12,
        "method": "erase",
        "verified_at": now,
        "searched_pieces": 24,
        "searched_bytes": 4_100_000,
        "control_found": True,
    }
    values = {
        "id": new_id(),
        "scope": {"category": "request_content"},
        "state": state,
        "requested_at": now,
        "finished_at": now if state in ("verified", "failed") else None,
        "total": 12,
        "done": 12 if state == "verified" else 5,
        "per_store": [clean | store for store in stores],
        "not_reached": [{"place": "model providers", "reason": "They keep it by their own terms."}],
        "backups_unreadable_by": now + timedelta(days=7),
    } | more
    return schemas.Deletion.model_validate(values).model_dump(mode="json")


def add(world, state: str, person: str = "olive", **values: Any) -> Deletion:
    who = getattr(world, person)
    made = Deletion(
        id=new_id(),
        account_id=who.account_id,
        category="request_content",
        scope={"category": "request_content", "before": None, "request_ids": None, "person": None},
        count=12,
        state=state,
        requested_by=who.id,
        requested_by_name=who.name,
        requested_at=world.clock.now,
        attempt=1,
        failures=0,
        **values,
    )
    with world.db.transaction() as tx:
        tx.add(made)
    return made


def test_an_empty_list_says_what_it_is_for(world, browse):
    page = browse(world.olive).visit("/deletions")
    assert "No deletions yet" in page.text
    page.follow("Look at what is stored")
    assert page.heading == "Data controls"


def test_purging_shows_rows_done_of_rows_known(world, browse):
    pending = ({"store": "main database", "verified_at": None, "searched_bytes": 0, "control_found": None},)
    made = add(world, "purging", report=report(world, "purging", pending), next_try_at=world.clock.now)
    page = browse(world.olive).visit(f"/deletions/{made.id}")
    assert "Purging" in page.text
    assert "5 of 12" in page.text
    assert "nothing else counts as deleted yet" in page.text
    assert page.table("What was done where")[0]["Result"] == "Not verified yet"
    assert page.table("What was done where")[0]["Verified"] == "not yet"
    assert "You can close this page; it goes on." in page.text


def test_verified_says_where_it_was_looked_for(world, browse):
    made = add(world, "verified", report=report(world, "verified"), finished_at=world.clock.now)
    page = browse(world.olive).visit(f"/deletions/{made.id}")
    first, second = page.table("What was done where")
    assert first["Store"] == "Main database"
    assert first["How"] == "Rows erased"
    assert first["Looked for the text in"] == "4.1 MB for 24 pieces of the text"
    assert first["Result"] == "Not found; control string found"
    assert second["How"] == "Nothing of it is held here"
    assert "Model providers" in page.text
    assert "Unreadable by" in page.text
    assert "They can delay a deletion" in page.text
    assert "Kept, so that you can show what was done." in page.text


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ({"found": 2}, "2 pieces still found"),
        ({"control_found": False}, "Control string not found: the search did not prove itself"),
        ({"verified_at": None}, "Not verified yet"),
    ],
)
def test_a_search_that_proves_nothing_is_not_called_gone(world, store, words):
    made = add(world, "verified", report=report(world, "verified", ({"store": "main database"} | store,)))
    page = world.browser(world.olive).visit(f"/deletions/{made.id}")
    assert page.table("What was done where")[0]["Result"] == words
    assert "is gone from every store" not in page.text
    assert "Not every search below proved itself." in page.text


def test_failed_says_why_and_what_next(world, browse):
    failure = "The log files could not be read."
    made = add(world, "failed", report=report(world, "failed", failure=failure), finished_at=world.clock.now)
    page = browse(world.olive).visit(f"/deletions/{made.id}")
    assert failure in page.text
    assert "No further try is planned." in page.text
    assert f"write to support and name this one: {made.id}" in page.text
    page.follow("Ask for a new deletion")
    assert page.heading == "Delete stored content"


def test_who_sees_which(world):
    olives, devs = add(world, "requested"), add(world, "requested", "dev")
    foreign = add(world, "requested", "strange")
    expected = {"olive": (200, 200), "ada": (200, 200), "dev": (404, 200), "bill": (404, 404), "vera": (404, 404)}
    for person, statuses in expected.items():
        page = world.browser(getattr(world, person))
        assert tuple(page.visit(f"/deletions/{one.id}").status for one in (olives, devs)) == statuses, person
        assert page.visit("/deletions").status == (403 if person in ("bill", "vera") else 200)
    for identifier in (foreign.id, new_id()):
        page = world.browser(world.olive).visit(f"/deletions/{identifier}")
        assert page.status == 404
    assert world.browser(world.olive).visit("/deletions/nonsense").status == 404
    assert len(world.browser(world.dev).visit("/deletions").table("Deletions")) == 1
    for person in ("bill", "vera"):
        page = world.browser(getattr(world, person)).visit("/data-controls")
        assert not page.offers("Deletions"), "no menu entry that may not be opened"
        data = {"csrf_token": page.csrf_token(), "category": "request_content", "token": str(new_id())}
        assert page.request("POST", "/deletions", data=data).status_code == 403


def test_the_list_is_paged_by_key(world, browse, monkeypatch):
    monkeypatch.setattr("anuma_dash.features.deletions.routes.PAGE_ROWS", 2)
    assert listing.PAGE_ROWS == 50
    for _ in range(5):
        add(world, "requested", next_try_at=world.clock.now + timedelta(days=1))
    page = browse(world.olive).visit("/deletions")
    seen = []
    for expected in (2, 2, 1):
        links = [link["href"] for link in page.select("#deletion-rows th a")]
        assert len(links) == expected
        seen += links
        if expected == 2:
            page.follow("Next page")
    assert len(set(seen)) == 5
    page.follow("First page")
    assert [link["href"] for link in page.select("#deletion-rows th a")] == seen[:2]
    assert page.visit("/deletions?after=nonsense").status == 404


def test_the_page_asks_no_gateway(world):
    made = add(world, "verified", report=report(world, "verified"))
    world.break_gateway()
    assert "Deleted, verified" in world.browser(world.olive).visit(f"/deletions/{made.id}").text
    assert "Deleted, verified" in world.browser(world.olive).visit("/deletions").text
