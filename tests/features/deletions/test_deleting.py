"""Deleting stored content: asked for with its number, watched, and proved where it can be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain import deletions
from anuma_dash.domain.deletions import Deletion, advance_deletion
from anuma_dash.errors import GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.gateway.client import Gateway
from tests.browser import Browser
from tests.features.data_controls.steps import SWITCH, control, make_key, pill, stored, switch
from tests.processes import wait_until

CANARY = "the heron stands in the marsh"


def events(world, kind: str) -> int:
    return [entry.event for entry in world.rows(AuditEntry)].count(kind)


def finish(world) -> Deletion:
    """Let gateway and worker go on until the last deletion is finished."""

    def finished() -> bool:
        world.run_worker(seconds=1)
        return world.rows(Deletion)[-1].next_try_at is None

    wait_until(finished, "the deletion is finished")
    return world.rows(Deletion)[-1]


def form_of(page: Browser) -> dict[str, str]:
    """What the form on the page would send."""
    return {field["name"]: field["value"] for field in page.select("form[action='/deletions'] input")}


def readable(world, request_id: object) -> bool:
    content = world.server.client.request_content(world.olive.actor, world.northwind, request_id)
    return content.prompt is not None


def latest(world) -> list[schemas.RequestSummary]:
    return world.server.client.requests(world.olive.actor, world.northwind).data


@pytest.fixture
def three_stored(world):
    """Prompt logging is on, with three stored requests."""
    switch(world, world.olive, True)
    key = make_key(world, world.olive)
    assert all(stored(world, key.secret, f"{CANARY} {number}") for number in range(3))
    return key


def test_the_whole_journey(world, browse):
    key = make_key(world, world.olive)
    page = browse(world.olive).visit("/data-controls").submit(SWITCH).submit("Switch it on", accepted=True)
    assert pill(page) == "On"
    assert stored(world, key.secret, CANARY)
    assert stored(world, key.secret, CANARY)
    page.reload().submit(SWITCH)
    assert pill(page) == "Off"
    assert not stored(world, key.secret, CANARY)
    assert "2 stored requests from" in control(page)
    page.follow("Also delete them")
    assert "This deletes the content of 2 stored requests" in page.text
    assert "cannot be undone" in page.text
    page.submit("Delete the content of 2 requests")
    assert page.heading == "Deletion of stored content"
    finish(world)
    page.reload()
    assert "Deleted, verified" in page.text
    assert "2 of 2" in page.text
    assert "The content of 2 stored requests is gone from every store listed below." in page.text
    rows = page.table("What was done where")
    assert all(row["Result"].startswith("Not found") for row in rows)
    assert "Data keys destroyed" in {row["How"] for row in rows}
    assert not any(readable(world, request.id) for request in latest(world))
    page.visit("/data-controls")
    assert pill(page) == "Off"
    assert "still here" not in control(page)
    assert page.table("What is stored right now")[0]["Items"] == "0"
    assert page.table("What is stored right now")[-1]["Items"] == "3", "metadata stays"
    activity = page.visit("/activity").text
    assert "Olive Lindqvist asked to delete 2 stored items" in activity
    assert "deleted 2 stored items, verified" in activity


def test_the_preview_says_what_happens_and_what_does_not(world, browse, three_stored):
    page = browse(world.olive).visit("/deletions/new?category=request_content")
    for words in (
        "3 stored requests",
        "as counted",
        "data keys are destroyed",
        "in batches",
        "Backups: unreadable by",
        "Kept: the metadata",
        "Not reached: the model providers",
        "Legal duties can delay a deletion",
    ):
        assert words in page.text
    assert world.rows(Deletion) == []
    assert page.offers("Keep it")


def test_with_nothing_stored_there_is_nothing_to_ask_for(world, browse):
    page = browse(world.olive).visit("/deletions/new")
    assert "There is nothing to delete" in page.text
    assert not page.select("#delete")


def test_while_the_gateway_is_down_the_request_waits(world, browse, three_stored):
    page = browse(world.olive).visit("/deletions/new")
    world.break_gateway()
    page.submit("Delete the content of 3 requests")
    assert "Requested, not confirmed yet" in page.text
    assert "the gateway has not confirmed. Tried 1 time; next try in 1 s." in page.text
    assert "Until it confirms, nothing counts as deleted." in page.text
    assert "The gateway does not answer." in page.text
    assert "Deleted" not in page.text
    world.run_worker(seconds=8)
    page.poll("#deletion")
    assert "Tried 4 times" in page.text
    assert all(readable(world, request.id) for request in latest(world))
    world.mend_gateway()
    finish(world)
    page.poll("#deletion")
    assert "Deleted, verified" in page.text
    assert not page.one("#deletion").element.get("hx-trigger"), "it has stopped asking"
    assert not page.offers("Check again")


def test_the_number_may_be_unknown_and_the_right_stays(world, browse, three_stored):
    world.break_gateway()
    page = browse(world.olive).visit("/deletions/new")
    assert "the number is not known right now" in page.text
    page.submit("Delete all stored content")
    world.mend_gateway()
    assert finish(world).count is None
    assert "Deleted, verified" in page.reload().text
    assert "asked to delete an unknown number of stored items" in page.visit("/activity").text


def test_sending_the_form_twice_deletes_once(world, three_stored):
    page = world.browser(world.olive).visit("/deletions/new")
    data = form_of(page)
    first, second = (page.request("POST", "/deletions", data=data) for _ in range(2))
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    assert len(world.rows(Deletion)) == 1
    assert events(world, "deletion.requested") == 1


def test_pressing_twice_at_the_same_moment_deletes_once(world, three_stored):
    page = world.browser(world.olive).visit("/deletions/new")
    data, cookie, together = form_of(page), page.cookie(world.session_cookie), Barrier(4)

    def press(_):
        tab = world.browser()
        tab.set_cookie(world.session_cookie, cookie)
        together.wait(60)
        return tab.request("POST", "/deletions", data=data)

    with ThreadPoolExecutor(4) as tabs:
        answers = list(tabs.map(press, range(4)))

    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len(world.rows(Deletion)) == 1
    assert events(world, "deletion.requested") == 1


def test_the_number_on_record_is_the_one_that_was_shown_whatever_the_form_says(world, three_stored):
    page = world.browser(world.olive).visit("/deletions/new")
    data = form_of(page)
    elsewhere = form_of(world.browser(world.olive).visit("/deletions/new"))["shown"]
    head, dot, rest = data["shown"].partition(".")
    for forged in ("", "3", "9" * 5000, "é", "\0", elsewhere, head[:-4] + "AAAA" + dot + rest, data["shown"] + "x"):
        answer = page.request("POST", "/deletions", data=data | {"shown": forged, "count": "9"})
        assert answer.status_code == 422, forged
        assert "This form is out of date." in answer.text
    assert world.rows(Deletion) == []
    assert page.request("POST", "/deletions", data=data | {"count": "9"}).status_code == 303
    assert world.rows(Deletion)[0].count == 3


def test_a_number_shown_yesterday_is_shown_anew(world, three_stored, monkeypatch):
    page = world.browser(world.olive).visit("/deletions/new")
    data = form_of(page)
    monkeypatch.setattr("anuma_dash.web.shown.LIFETIME_SECONDS", -1)

    assert page.request("POST", "/deletions", data=data).status_code == 422


def test_a_form_that_says_nothing_is_refused(world):
    page = world.browser(world.olive).visit("/deletions")
    good = {"csrf_token": page.csrf_token(), "category": "request_content", "shown": "", "token": str(new_id())}
    for bad in ({"token": "x"}, {"token": ""}, {"category": "everything"}, {"category": ""}):
        assert page.request("POST", "/deletions", data=good | bad).status_code == 422, bad
    assert world.rows(Deletion) == []
    assert page.request("GET", "/deletions/new?category=everything").status_code == 404


def test_a_token_of_another_account_is_missing(world, three_stored):
    page = world.browser(world.olive).visit("/deletions/new").submit("Delete the content of 3 requests")
    token = page.path.rpartition("/")[2]
    world.break_gateway()  # else Strange has nothing to delete, and no form
    other = world.browser(world.strange).visit("/deletions/new")
    assert other.request("POST", "/deletions", data=form_of(other) | {"token": token}).status_code == 404


def test_it_asks_who_you_are_and_keeps_the_form(world, three_stored):
    page = world.browser(world.olive).visit("/deletions/new")
    token = page.one("input[name=token]")["value"]
    world.clock.advance(minutes=11)
    assert page.request("GET", "/deletions/new").headers["Location"].startswith("/sign-in/reauthentication?next=")
    data = form_of(page)
    answer = page.request("POST", "/deletions", data=data, headers={"Referer": page.url})
    assert answer.status_code == 303
    assert "/sign-in/reauthentication" in answer.headers["Location"]
    assert world.rows(Deletion) == []
    draft = answer.headers["Location"].partition("draft%3D")[2] or answer.headers["Location"].partition("draft=")[2]
    from anuma_dash.web.sessions import BrowserSession

    with world.db.transaction() as tx:  # they have confirmed who they are
        for row in world.rows(BrowserSession):
            tx.get_one(BrowserSession, row.id).authenticated_at = world.clock.now
    page.visit(f"/deletions/new?draft={draft}")
    assert page.one("input[name=token]")["value"] == token


def test_a_developer_deletes_what_their_own_keys_sent(world, browse):
    switch(world, world.olive, True)
    olives, devs = make_key(world, world.olive), make_key(world, world.dev)
    assert stored(world, olives.secret)
    assert stored(world, devs.secret)
    page = browse(world.dev).visit("/deletions/new")
    assert "This deletes the stored content of your own keys" in page.text
    assert "not counted per person" in page.text
    page.submit("Delete the content of my keys")
    finish(world)
    assert "Deleted, verified" in page.reload().text
    left = {request.key_id for request in latest(world) if readable(world, request.id)}
    assert left == {olives.id}
    assert world.rows(Deletion)[0].scope["person"] == str(world.dev.id)


def test_a_developer_cannot_reach_further_by_the_form(world):
    switch(world, world.olive, True)
    assert stored(world, make_key(world, world.olive).secret)
    page = world.browser(world.dev).visit("/deletions/new")
    data = form_of(page) | {"person": str(world.olive.id)}
    assert page.request("POST", "/deletions", data=data).status_code == 303
    assert world.rows(Deletion)[0].scope["person"] == str(world.dev.id)


def test_killed_between_the_answer_and_the_commit(world, three_stored, monkeypatch):
    """The gateway has deleted, and the process that heard it dies before it writes that down."""
    real = deletions._note
    world.run_worker()  # everybody is told that logging was switched on

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(deletions, "_note", die)
    token = new_id()
    scope = schemas.DeletionScope(category="request_content")
    with pytest.raises(KeyboardInterrupt):
        deletions.request_deletion(
            world.services.context, world.olive.actor, world.northwind, scope, count=3, token=token
        )
    monkeypatch.setattr(deletions, "_note", real)
    page = world.browser(world.olive).visit(f"/deletions/{token}")
    assert "Requested, not confirmed yet" in page.text
    assert world.run_worker() == 0, "the lease of the dead attempt has not ended"
    world.clock.advance(seconds=21)
    row = finish(world)
    assert (row.state, row.result.done) == ("verified", 3)
    advance_deletion(world.services.context, token, 1)
    advance_deletion(world.services.context, token, row.attempt)
    assert (events(world, "deletion.requested"), events(world, "deletion.verified")) == (1, 1)


def test_a_stale_attempt_changes_nothing(world, three_stored):
    world.break_gateway()
    page = world.browser(world.olive).visit("/deletions/new").submit("Delete all stored content")
    token = world.rows(Deletion)[0].id
    world.run_worker(seconds=3)
    world.mend_gateway()
    advance_deletion(world.services.context, token, 1)
    assert world.rows(Deletion)[0].state == "requested"
    assert "not confirmed yet" in page.reload().text


def test_a_lost_response_deletes_once(world, three_stored, monkeypatch):
    real = Gateway.start_deletion

    def lose(self, *arguments):
        real(self, *arguments)
        raise GatewayUnavailable("The gateway does not answer.")

    monkeypatch.setattr(Gateway, "start_deletion", lose)
    page = world.browser(world.olive).visit("/deletions/new").submit("Delete the content of 3 requests")
    assert "nothing counts as deleted" in page.text
    monkeypatch.setattr(Gateway, "start_deletion", real)
    assert finish(world).result.done == 3
    assert events(world, "deletion.verified") == 1


def test_what_comes_after_the_request_is_not_part_of_it(world, three_stored):
    world.browser(world.olive).visit("/deletions/new").submit("Delete the content of 3 requests")
    assert stored(world, three_stored.secret)
    assert finish(world).result.done == 3
    assert [readable(world, request.id) for request in latest(world)].count(True) == 1
