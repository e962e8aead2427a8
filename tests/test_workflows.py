"""Durable work: claims, fences, leases and backoff, with the task of telling the gateway of an account."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from anuma_dash import workflows
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import ACCOUNT_SYNC, AccountSync, create_account
from anuma_dash.identity import Account, User
from anuma_dash.workflows import LEASE, LONGEST_BACKOFF, Kind

EARLY = timedelta(seconds=1)


@pytest.fixture
def make_task(world):
    """Create an unfinished row; returns its identifier."""

    def make(**columns):
        row = {"account_id": world.northwind, "created_at": world.clock.now, "next_try_at": world.clock.now}
        with world.db.transaction() as tx:
            task = AccountSync(id=new_id(), **(row | columns))
            tx.add(task)
        return task.id

    return make


def find(world, row_id):
    (row,) = world.rows(AccountSync, id=row_id)
    return row


def sweep(world, *, enqueue=None, kind=ACCOUNT_SYNC):
    begun = []
    workflows.sweep(world.db, [kind], enqueue or (lambda *item: begun.append(item)), world.clock.now)
    return begun


def test_a_sweep_begins_a_new_attempt_on_each_row_that_is_due(world, make_task):
    due, later = make_task(), make_task(next_try_at=world.clock.now + EARLY)

    assert sweep(world) == [("account_sync", due, 2)]
    assert (find(world, due).attempt, find(world, due).next_try_at) == (2, world.clock.now + LEASE)
    assert find(world, later).attempt == 1


def test_nobody_else_tries_before_the_lease_ends(world, make_task):
    task = make_task()
    sweep(world)

    world.clock.advance(seconds=LEASE.total_seconds() - 1)
    assert sweep(world) == []
    world.clock.advance(seconds=1)
    assert sweep(world) == [("account_sync", task, 3)]


def test_a_maker_works_on_its_own_row_first(world, make_task):
    task = make_task()
    with world.db.transaction() as tx:
        workflows.start_now(tx.get_one(AccountSync, task), world.clock.now)

    assert sweep(world) == []
    world.clock.advance(seconds=LEASE.total_seconds())
    assert sweep(world) == [("account_sync", task, 2)]


def test_a_process_that_dies_between_the_number_and_the_queue_loses_nothing(world, make_task):
    task = make_task()

    def die(*_):
        raise SystemExit

    with pytest.raises(SystemExit):
        sweep(world, enqueue=die)
    world.clock.advance(seconds=LEASE.total_seconds())
    assert sweep(world) == [("account_sync", task, 3)]


def test_two_sweeps_at_once_begin_each_row_once(world, make_task):
    tasks = {make_task() for _ in range(20)}
    begun, start = [], threading.Barrier(2)

    def work():
        start.wait()
        workflows.sweep(world.db, [ACCOUNT_SYNC], lambda *item: begun.append(item), world.clock.now)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(begun) == sorted(("account_sync", task, 2) for task in tasks)


@pytest.mark.parametrize(
    ("attempt", "columns", "claimed"),
    [
        (3, {"attempt": 3}, True),
        (2, {"attempt": 3}, False),
        (4, {"attempt": 3}, False),
        (3, {"attempt": 3, "next_try_at": None}, False),
    ],
    ids=["its own", "superseded", "never begun", "finished"],
)
def test_only_the_attempt_of_the_row_may_write(world, make_task, attempt, columns, claimed):
    task = make_task(**columns)

    with world.db.transaction() as tx:
        assert (workflows.claim(tx, AccountSync, task, attempt) is not None) == claimed


@pytest.mark.parametrize("jump", [timedelta(minutes=-10), timedelta(days=-400)], ids=["minutes", "a year"])
def test_a_clock_that_jumps_back_freezes_no_row(world, make_task, jump):
    task = make_task()
    sweep(world)
    with world.db.transaction() as tx:
        workflows.retry(tx.get_one(AccountSync, task), world.clock.now, "no answer")

    world.clock.now += jump
    assert sweep(world) == [("account_sync", task, 3)]
    assert find(world, task).next_try_at == world.clock.now + LEASE
    assert sweep(world) == [], "its lease counts by the clock as it is now"


def test_the_longest_wait_that_a_row_can_have_is_not_taken_for_a_jump(world, make_task):
    make_task(next_try_at=world.clock.now + LONGEST_BACKOFF)

    assert sweep(world) == []


def test_a_row_that_does_not_exist_cannot_be_claimed(world):
    with world.db.transaction() as tx:
        assert workflows.claim(tx, AccountSync, new_id(), 1) is None


def test_a_superseded_attempt_writes_nothing(world, make_task):
    task = make_task()
    ((_, _, slow),) = sweep(world)
    world.clock.advance(seconds=LEASE.total_seconds())
    ((_, _, quick),) = sweep(world)

    ACCOUNT_SYNC.step(world.services.context, task, slow)
    assert find(world, task).next_try_at is not None
    ACCOUNT_SYNC.step(world.services.context, task, quick)
    assert find(world, task).next_try_at is None


def test_an_attempt_overtaken_in_the_middle_writes_nothing(world, make_task):
    task = make_task()
    ((_, _, slow),) = sweep(world)

    def hang(context, row_id, attempt):
        world.clock.advance(seconds=LEASE.total_seconds())
        sweep(world)
        with context.db.transaction() as tx:
            row = workflows.claim(tx, AccountSync, row_id, attempt)
            assert row is None

    Kind("account_sync", AccountSync, hang).step(world.services.context, task, slow)

    assert find(world, task).attempt == slow + 1


def test_each_failure_waits_longer_but_never_longer_than_a_minute(world, make_task):
    task, waits = make_task(), []
    for number in range(9):
        with world.db.transaction() as tx:
            row = tx.get_one(AccountSync, task)
            workflows.retry(row, world.clock.now, f"failure {number}")
            waits.append(row.next_try_at - world.clock.now)

    assert [wait.total_seconds() for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert waits[-1] == LONGEST_BACKOFF
    assert (find(world, task).failures, find(world, task).last_failure) == (9, "failure 8")


def test_a_long_reason_is_cut_to_what_the_column_holds(world, make_task):
    task = make_task()
    with world.db.transaction() as tx:
        workflows.retry(tx.get_one(AccountSync, task), world.clock.now, "x" * 1000)

    assert find(world, task).last_failure == "x" * 300


def test_waiting_is_no_failure_and_finishing_leaves_nothing_to_do(world, make_task):
    task = make_task(failures=3, last_failure="the gateway does not answer")
    with world.db.transaction() as tx:
        workflows.wait(tx.get_one(AccountSync, task), world.clock.now, EARLY)
    row = find(world, task)
    assert (row.failures, row.last_failure, row.next_try_at) == (0, None, world.clock.now + EARLY)

    with world.db.transaction() as tx:
        workflows.finish(tx.get_one(AccountSync, task))
    assert find(world, task).next_try_at is None


def test_a_row_in_backoff_can_be_woken_but_not_one_that_is_worked_on(world, make_task):
    later = world.clock.now + LEASE
    failed, busy, done = (
        make_task(next_try_at=later, last_failure="no answer"),
        make_task(next_try_at=later),
        make_task(next_try_at=None, last_failure="no answer"),
    )
    with world.db.transaction() as tx:
        for task in (failed, busy, done):
            workflows.wake(tx, AccountSync, task, world.clock.now)

    assert [row_id for _, row_id, _ in sweep(world)] == [failed]


def test_the_unfinished_are_counted(world, make_task):
    make_task()
    make_task(next_try_at=None)

    with world.db.reading() as tx:
        assert workflows.unfinished(tx, AccountSync) == 1


def test_an_account_made_while_the_gateway_is_down_is_told_to_it_later(world):
    world.break_gateway()
    with world.db.transaction() as tx:
        olive = tx.get_one(User, world.olive.id)
        account = create_account(tx, world.olive.actor, olive, "Night shift", "organization", world.clock.now)
    world.run_worker(seconds=10)
    (task,) = world.rows(AccountSync, account_id=account.id)
    assert (task.failures, task.last_failure) == (4, "The gateway does not answer.")

    world.mend_gateway()
    world.run_worker(seconds=10)

    (account,) = world.rows(Account, id=account.id)
    (task,) = world.rows(AccountSync, account_id=account.id)
    assert (task.next_try_at, account.gateway_synced_at) == (None, world.clock.now - timedelta(seconds=5))
    assert world.gateway.overview(world.olive.actor, account.id).requests_today == 0
