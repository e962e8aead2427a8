"""Group commit: what waits together is written together, one's defect is not another's, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest
from sqlalchemy.exc import OperationalError

from anuma_dash.embedded.gateway.batches import Batches
from anuma_dash.embedded.gateway.stores import Busy


class Work:
    """Notes its batches; the first one waits until it is let go."""

    def __init__(self):
        self.batches = []
        self.let_go = threading.Event()
        self.at_once = Counter()
        self.most_at_once = Counter()

    def __call__(self, items):
        self.batches.append(list(items))
        group = items[0][0]
        self.at_once[group] += 1
        self.most_at_once[group] = max(self.most_at_once[group], self.at_once[group])
        if len(self.batches) == 1:
            assert self.let_go.wait(60)
        self.at_once[group] -= 1
        if any(text == "down" for _, text in items):
            raise OperationalError(None, None, Exception())
        if any(text == "defect" for _, text in items):
            raise ValueError
        return [text.upper() for _, text in items]


async def submitted(batches, work, items):
    """What each item comes to, when all were submitted while the first one was under way."""
    first = batches.submit(items[0])
    while not work.batches:
        await asyncio.sleep(0)
    futures = [first, *(batches.submit(item) for item in items[1:])]
    work.let_go.set()
    return await asyncio.gather(*futures, return_exceptions=True)


def run(items, *, threads=1, group=lambda item: item[0]):
    work = Work()
    batches = Batches(work, group, threads)
    try:
        return asyncio.run(submitted(batches, work, items)), work
    finally:
        batches.close()


def test_what_waits_together_is_written_together():
    answers, work = run([("a", text) for text in ("one", "two", "three")])
    assert answers == ["ONE", "TWO", "THREE"]
    assert work.batches == [[("a", "one")], [("a", "two"), ("a", "three")]]


def test_groups_are_apart_and_each_in_turn():
    items = [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4"), ("a", "5")]
    answers, work = run(items, threads=3)
    assert answers == ["1", "2", "3", "4", "5"]
    assert all(len({group for group, _ in batch}) == 1 for batch in work.batches)
    assert work.most_at_once == {"a": 1, "b": 1}


def test_a_defect_of_one_is_not_the_others():
    answers, work = run([("a", text) for text in ("one", "two", "defect", "four")])
    assert [answers[0], answers[1], answers[3]] == ["ONE", "TWO", "FOUR"]
    assert isinstance(answers[2], ValueError)
    assert work.batches[-3:] == [[("a", "two")], [("a", "defect")], [("a", "four")]]


def test_a_database_that_is_away_is_not_asked_for_each():
    answers, work = run([("a", text) for text in ("one", "two", "down", "four")])
    assert answers[0] == "ONE"
    assert all(isinstance(answer, OperationalError) for answer in answers[1:])
    assert len(work.batches) == 2


def test_what_was_submitted_is_finished_before_the_end():
    work = Work()
    batches = Batches(work, lambda item: item[0], 2)

    async def leave_early():
        batches.submit(("a", "one"))
        batches.submit(("a", "two"))

    asyncio.run(leave_early())
    work.let_go.set()
    batches.close()
    assert [text for batch in work.batches for _, text in batch] == ["one", "two"]


@pytest.mark.parametrize("count", [1, 250])
def test_a_batch_has_an_end(count):
    answers, work = run([("a", str(number)) for number in range(count)])
    assert answers == [str(number) for number in range(count)]
    assert max(len(batch) for batch in work.batches) <= 100


class AtOnce:
    """What the event loop does itself."""

    def __init__(self, busy=False):
        self.busy = busy
        self.batches = []

    def __call__(self, items):
        if self.busy:
            raise Busy
        self.batches.append([text for _, text in items])
        if any(text == "down" for _, text in items):
            raise OperationalError(None, None, Exception())
        if any(text == "defect" for _, text in items):
            raise ValueError
        return [text.upper() for _, text in items]


def run_at_once(at_once, texts, *, close_early=False):
    """What each text comes to if all are submitted in one turn of the loop, and what threads did of it."""
    work = Work()
    work.let_go.set()
    batches = Batches(work, lambda item: item[0], 1, at_once, lambda item: item[1] != "heavy")

    async def submit_all():
        futures = [batches.submit(("a", text)) for text in texts]
        return futures if close_early else await asyncio.gather(*futures, return_exceptions=True)

    answers = asyncio.run(submit_all())
    batches.close()
    return answers, [text for batch in work.batches for _, text in batch]


def test_what_is_light_is_done_by_the_loop_together():
    at_once = AtOnce()
    assert run_at_once(at_once, ["one", "two"]) == (["ONE", "TWO"], [])
    assert at_once.batches == [["one", "two"]]


def test_what_is_heavy_goes_to_a_thread():
    assert run_at_once(AtOnce(), ["one", "heavy"]) == (["ONE", "HEAVY"], ["heavy"])


def test_what_would_have_to_wait_goes_to_a_thread():
    assert run_at_once(AtOnce(busy=True), ["one", "two"]) == (["ONE", "TWO"], ["one", "two"])


def test_what_is_too_much_for_the_loop_goes_to_a_thread():
    texts = [str(number) for number in range(40)]
    at_once = AtOnce()
    assert run_at_once(at_once, texts) == (texts, texts)
    assert at_once.batches == []


def test_a_database_that_is_away_at_once():
    answers, by_threads = run_at_once(AtOnce(), ["one", "down"])
    assert all(isinstance(answer, OperationalError) for answer in answers)
    assert by_threads == []


def test_a_defect_at_once_goes_to_a_thread_where_it_is_not_the_others():
    """Each alone, and waiting for the database: the event loop has no time for that."""
    at_once = AtOnce()
    answers, by_threads = run_at_once(at_once, ["one", "defect", "three"])
    assert at_once.batches == [["one", "defect", "three"]], "once"
    assert (answers[0], answers[2]) == ("ONE", "THREE")
    assert isinstance(answers[1], ValueError)
    assert by_threads == ["one", "defect", "three"] * 2, "together, then each alone"


def test_a_defect_of_one_alone_at_once():
    (answer,), by_threads = run_at_once(AtOnce(), ["defect"])
    assert isinstance(answer, ValueError)
    assert by_threads == []


def test_what_was_gathered_is_finished_before_the_end():
    _, by_threads = run_at_once(AtOnce(busy=True), ["one", "two"], close_early=True)
    assert by_threads == ["one", "two"]
