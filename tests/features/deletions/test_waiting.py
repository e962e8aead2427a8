"""A deletion that waits: it says when it begins, is undone before, and not after."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.deletions import UNDO_WAIT, Deletion, advance_deletion, request_deletion, undo_deletion
from anuma_dash.errors import Conflict, NotFound
from anuma_dash.gateway.schemas import DeletionScope


def events(world) -> list[str]:
    return [entry.event for entry in world.rows(AuditEntry) if entry.event.startswith("deletion.")]


def ask(world, person: str = "olive") -> Deletion:
    who = getattr(world, person)
    scope = DeletionScope(category="conversations", conversation_ids=[new_id(), new_id()])
    context = world.services.context
    return request_deletion(context, who.actor, who.account_id, scope, count=2, token=new_id(), wait=UNDO_WAIT)


def row(world, deletion: Deletion) -> Deletion:
    return world.rows(Deletion, id=deletion.id)[0]


def asked(world) -> bool:
    """Whether the gateway was asked for any deletion."""
    return bool(world.server.client.deletions(world.olive.actor, world.northwind).data)


def test_it_waits_and_says_until_when(world, browse):
    deletion = ask(world)
    page = browse(world.olive).visit(f"/deletions/{deletion.id}")
    assert "2 conversations" in page.text
    assert "Waiting, can be undone" in page.text
    assert f"Will be deleted at {page.one('#progress .note time').text}." in page.text
    when = page.one("#progress .note time")["datetime"]
    assert when == (world.clock.now + timedelta(seconds=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.run_worker(seconds=9)
    assert row(world, deletion).state == "waiting"
    assert not asked(world)
    assert events(world) == ["deletion.requested"]


def test_undone_before_it_begins(world, browse):
    deletion = ask(world)
    page = browse(world.olive).visit(f"/deletions/{deletion.id}").submit("Undo")
    assert "Undone, nothing deleted" in page.text
    assert "Nothing was deleted." in page.text
    assert not page.offers("Undo")
    world.run_worker(seconds=30)
    assert row(world, deletion).state == "undone"
    assert not asked(world)
    assert events(world) == ["deletion.requested", "deletion.undone"]
    assert "Olive Lindqvist undid the deletion of 2 stored items, before it began" in page.visit("/activity").text


def test_while_the_worker_is_late_it_says_so_and_undo_works(world, browse):
    deletion = ask(world)
    world.clock.advance(seconds=60)
    page = browse(world.olive).visit(f"/deletions/{deletion.id}")
    assert "Was to be deleted at" in page.text
    assert "It has not begun yet, so Undo still works." in page.text
    page.submit("Undo")
    assert "Undone, nothing deleted" in page.text


def test_once_it_has_begun_undo_says_so(world, browse):
    deletion = ask(world)
    page = browse(world.olive).visit(f"/deletions/{deletion.id}")
    world.break_gateway()
    world.run_worker(seconds=11)
    assert row(world, deletion).state == "requested"
    page.submit("Undo")
    assert page.status == 409
    assert "This deletion has begun. It cannot be undone any more." in page.text
    page.visit(f"/deletions/{deletion.id}")
    assert "Requested, not confirmed yet" in page.text
    assert not page.offers("Undo")
    assert events(world) == ["deletion.requested"]


def test_undoing_twice_undoes_once(world):
    deletion = ask(world)
    for _ in range(2):
        assert undo_deletion(world.services.context, world.olive.actor, world.northwind, deletion.id).state == "undone"
    assert events(world) == ["deletion.requested", "deletion.undone"]


def test_undo_and_the_worker_at_once_never_both_win(world):
    context = world.services.context
    world.break_gateway()
    for _ in range(4):
        deletion = ask(world)
        world.clock.advance(seconds=11)
        start = Barrier(2)

        def undo(deletion_id=deletion.id, start=start) -> bool:
            start.wait()
            try:
                undo_deletion(context, world.olive.actor, world.northwind, deletion_id)
            except Conflict:
                return False
            return True

        def work(found=deletion, start=start) -> None:
            start.wait()
            advance_deletion(world.services.context, found.id, found.attempt)

        with ThreadPoolExecutor(2) as pool:
            undone, worked = pool.submit(undo), pool.submit(work)
            worked.result()
            assert row(world, deletion).state == ("undone" if undone.result() else "requested")


def test_a_clock_set_back_does_not_make_it_wait_for_long(world):
    deletion = ask(world)
    world.clock.advance(hours=-3)
    world.run_worker()
    found = row(world, deletion)
    assert found.state == "waiting"
    assert found.execute_at == world.clock.now + UNDO_WAIT


@pytest.mark.parametrize("person", ["ada", "dev", "bill", "strange"])
def test_nobody_else_sees_or_undoes_it(world, person):
    deletion = ask(world)
    who = getattr(world, person)
    page = world.browser(who).visit(f"/deletions/{deletion.id}")
    assert page.status == 404
    data = {"csrf_token": page.visit("/profile").csrf_token()}
    assert page.request("POST", f"/deletions/{deletion.id}/undoing", data=data).status_code == 404
    with pytest.raises(NotFound):
        undo_deletion(world.services.context, who.actor, who.account_id, deletion.id)
    assert row(world, deletion).state == "waiting"


def test_somebody_who_only_reads_watches_and_undoes_their_own(world, browse):
    deletion = ask(world, "vera")
    page = browse(world.vera).visit(f"/deletions/{deletion.id}").submit("Undo")
    assert "Undone, nothing deleted" in page.text
