"""The chain's state on the page: never more than what was walked, and found out when something was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from anuma_dash import features, worker
from anuma_dash.audit import SYSTEM_CHAIN, AuditEntry, AuditHead, Event
from anuma_dash.db import new_id
from anuma_dash.errors import NotAllowed
from anuma_dash.features.activity import verification
from anuma_dash.features.activity.models import ChainCheck
from tests.features.activity.steps import lines, log, run_schedules


def sign_in(world, count=1):
    for _ in range(count):
        log(world, world.olive, Event.SIGNED_IN, provider="sandbox", session_id="s")


def tamper(world, number, **values):
    with world.behind_the_triggers() as tx:
        chosen = (AuditEntry.chain == world.northwind, AuditEntry.number == number)
        tx.execute(update(AuditEntry).where(*chosen).values(**values))


def check_of(world, chain=None) -> ChainCheck:
    (row,) = world.rows(ChainCheck, id=chain or world.northwind)
    return row


def test_the_chain_is_said_to_hold_only_when_it_was_walked(world, browse):
    page = browse(world.olive).visit("/activity")
    assert "Not verified yet" in page.text
    page.follow("How this is checked")
    assert "Not verified yet" in page.one("#chain").text
    assert f"python -m anuma_dash audit verify --account {world.northwind}" in page.text
    page.submit("Check the chain now")
    assert "Verified to entry 6 of 6" in page.one("#chain").text
    sign_in(world, 2)
    page.reload()
    assert "Verified to entry 6 of 8" in page.one("#chain").text
    page.visit("/activity")
    assert "Verified to entry 6" in page.text
    assert "had the chain of the activity checked from its first entry" in page.text


def test_the_worker_goes_on_every_hour_from_where_it_stood(world):
    page = world.browser(world.olive)
    run_schedules(world)
    first = world.clock.now
    assert check_of(world).verified_number == 5
    assert not world.rows(ChainCheck, id=SYSTEM_CHAIN), "there is nothing to walk"
    sign_in(world, 3)
    world.clock.advance(minutes=59)
    run_schedules(world)
    assert "Verified to entry 5 of 8" in page.visit("/activity/verification").text
    world.clock.advance(minutes=1)
    run_schedules(world)
    assert "Verified to entry 8 of 8" in page.reload().text
    row = check_of(world)
    assert (row.whole_at, row.verified_at) == (first, world.clock.now), "both times are said, the earlier one too"
    assert page.one("#chain").text.count(":") >= 4


def test_a_change_behind_the_last_verified_entry_is_found_within_a_day(world):
    run_schedules(world)
    tamper(world, 2, event="session.ended")
    sign_in(world)
    world.clock.advance(hours=1)
    run_schedules(world)
    assert check_of(world).state == "holds", "it goes on, and says so"
    world.clock.advance(hours=23)
    run_schedules(world)
    page = world.browser(world.olive).visit("/activity/verification")
    assert "The chain does not hold from entry 2 on" in page.text


def test_a_broken_chain_says_where_what_it_means_and_whom_to_write_to(world, browse):
    run_schedules(world)
    sign_in(world, 3)
    tamper(world, 7, event="session.ended")
    world.clock.advance(hours=1)
    run_schedules(world)
    page = browse(world.olive).visit("/activity")
    assert "The chain does not hold from entry 7 on" in page.text
    assert "Verified to" not in page.text
    assert lines(page)[0].startswith("The chain of the activity does not hold from entry 7 on: an entry was changed")
    page.follow("What this means")
    assert "An entry was changed." in page.text
    assert "what comes from it on proves nothing" in page.text
    assert page.one("#chain a")["href"] == "mailto:support@anuma.example"
    assert "activity’s chain does not hold from entry 7 on" in page.visit("/").text
    world.clock.advance(hours=1)
    run_schedules(world)
    told = [entry for entry in world.rows(AuditEntry, chain=world.northwind) if entry.event == "activity.chain_broken"]
    assert len(told) == 1, "it is told once"


def test_a_chain_that_was_put_right_holds_again(world):
    run_schedules(world)
    (third,) = world.rows(AuditEntry, chain=world.northwind, number=3)
    tamper(world, 3, event="session.ended")
    page = world.browser(world.ada).visit("/activity/verification").submit("Check the chain now")
    assert "does not hold from entry 3 on" in page.text
    tamper(world, 3, event=third.event)
    page.submit("Check the chain now")
    assert "Verified to entry 8 of 8" in page.text


def test_a_head_that_was_tampered_with_is_told_though_nothing_can_be_recorded_any_more(world):
    run_schedules(world)
    with world.behind_the_triggers() as tx:
        tx.execute(update(AuditHead).where(AuditHead.chain == world.northwind).values(number=2, hash="0" * 64))
    world.clock.advance(days=1)
    run_schedules(world)
    page = world.browser(world.olive).visit("/activity/verification")
    assert "The chain does not hold from entry 2 on" in page.text
    assert "The end of the chain was changed." in page.text


def test_a_long_chain_is_walked_by_the_worker_and_says_how_far_it_is(world, browse, monkeypatch):
    monkeypatch.setattr(verification, "LONGEST_INLINE", 3)
    monkeypatch.setattr(verification, "STRETCH", 2)
    page = browse(world.olive).visit("/activity/verification").submit("Check the chain now")
    assert "Entries walked, from the first one" in page.text
    assert "0 of 6" in page.text
    assert "Verified to" not in page.text
    assert "a check is under way" in world.browser(world.ada).visit("/activity").text
    killed(world, monkeypatch)
    page.poll("#verification")
    assert "2 of 6" in page.text
    assert "Not verified yet" in page.text
    world.clock.advance(seconds=21)
    world.run_worker()
    page.poll("#verification")
    assert "Verified to entry 6 of 6" in page.text


def killed(world, monkeypatch):
    """The worker dies right before its second stretch."""
    walk, calls = verification.audit.go_on, []

    def dying(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return walk(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(verification.audit, "go_on", dying)
        with pytest.raises(KeyboardInterrupt):
            world.run_worker()


def test_a_runner_that_was_overtaken_writes_nothing(world, monkeypatch):
    monkeypatch.setattr(verification, "LONGEST_INLINE", 3)
    context = world.services.context
    verification.request_check(context, world.olive.actor, world.northwind)
    row = check_of(world)
    verification.request_check(context, world.ada.actor, world.northwind)
    assert check_of(world).attempt == row.attempt, "a walk from the first entry that is under way is not begun anew"
    with world.db.transaction() as tx:
        tx.get_one(ChainCheck, row.id).attempt += 1
    verification.check_chain(context, row.id, row.attempt)
    assert check_of(world).verified_at is None


def test_what_is_written_while_the_chain_is_walked_does_no_harm(world, monkeypatch):
    monkeypatch.setattr(verification, "STRETCH", 2)
    walk = verification.audit.go_on

    def with_a_writer(*arguments):
        if arguments[1] == world.northwind and arguments[2].number < 8:
            sign_in(world)
        return walk(*arguments)

    monkeypatch.setattr(verification.audit, "go_on", with_a_writer)
    run_schedules(world)
    row = check_of(world)
    assert row.state == "holds"
    assert row.verified_number == len(world.rows(AuditEntry, chain=world.northwind))


def test_a_clock_that_jumped_back_stops_no_check(world):
    world.clock.advance(days=30)
    run_schedules(world)
    world.clock.advance(days=-30)
    sign_in(world)
    run_schedules(world)
    assert check_of(world).verified_number == 6


def test_who_sees_their_own_acts_only_may_not_ask(world):
    page = world.browser(world.vera).visit("/activity")
    assert "verified" not in page.one("main").text.lower()
    assert page.visit("/activity/verification").status == 403
    staff = replace(world.olive.actor, kind="staff", support_session_id=new_id())
    for actor, said in ((world.vera.actor, "Your role here is viewer"), (staff, "Staff look at the account")):
        with pytest.raises(NotAllowed, match=said):
            verification.request_check(world.services.context, actor, world.northwind)


def test_every_chain_gets_its_turn(world, monkeypatch):
    monkeypatch.setattr(verification, "DUE_AT_ONCE", 1)
    for _ in range(3):
        run_schedules(world)
    assert {row.id for row in world.rows(ChainCheck)} == {world.northwind, world.elsewhere}
    assert not [row for row in world.rows(ChainCheck) if row.verified_at is None]


def test_the_worker_runs_each_schedule_when_it_is_due_and_outlives_a_fault(world, monkeypatch):
    monkeypatch.setattr(worker, "_context", world.services.context, raising=False)
    schedules = features.schedules()
    due_at = {schedule.name: 0.0 for schedule in schedules}
    worker._run_schedules(schedules, due_at)
    assert {row.id for row in world.rows(ChainCheck)} == {world.northwind, world.elsewhere}
    ran = []

    def fault(_):
        ran.append(True)
        raise OperationalError("SELECT", {}, Exception("gone"))

    faulty = [replace(schedules[0], run=fault)]
    worker._run_schedules(faulty, due_at)
    assert ran == [], "its minute is not over"
    worker._run_schedules(faulty, dict.fromkeys(due_at, 0.0))
    assert ran == [True]
