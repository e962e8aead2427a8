"""Group commit: what waits for the same transaction is written in one, by threads of their own.

While one transaction is being written, whatever arrives gathers and goes into the next one together. Batches of one
group come one behind the other, so that nothing waits for a lock that its neighbor holds. Where writing takes less
time than going to a thread does, what is light is written by the event loop itself, unless it would have to wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from .stores import DATABASE_ERRORS, Busy

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_MOST_AT_ONCE = 100
"""So that a batch ends before anybody loses patience."""
_MOST_BY_THE_LOOP = 20
"""Everybody else waits meanwhile, for some milliseconds."""


class Batches(Generic[Item, Answer]):
    """Hands items over to `work` in batches.

    Args:
        work: does a whole batch, all of it or nothing; answers in the order of the items.
        group: items of different groups are never in one batch.
        threads: how many batches may be under way at once.
        at_once: does the same without waiting for anything, or raises `Busy`; it is called by the event loop.
        is_light: whether an item may go there.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        group: Callable[[Item], Hashable],
        threads: int,
        at_once: Callable[[Sequence[Item]], Sequence[Answer]] | None = None,
        is_light: Callable[[Item], bool] = lambda _: True,
    ) -> None:
        self._work = work
        self._at_once = at_once
        self._is_light = is_light
        self._gathered: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._group = group
        self._turn = threading.Condition()
        self._waiting: dict[Hashable, list[tuple[Item, asyncio.Future[Answer]]]] = {}
        self._due: queue.SimpleQueue[tuple[Hashable] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"gateway-batches-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, item: Item) -> asyncio.Future[Answer]:
        """Add an item, from an event loop; the future has its answer once its batch is done."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        if self._at_once is None or not self._is_light(item):
            self._put((item, future))
        else:
            self._gathered.append((item, future))
            if len(self._gathered) == 1:
                loop.call_soon(self._do_gathered)
        return future

    def _do_gathered(self) -> None:
        """What the event loop has gathered in one turn."""
        assert self._at_once is not None
        batch, self._gathered = self._gathered, []
        try:
            if len(batch) > _MOST_BY_THE_LOOP:
                raise Busy
            if batch:
                _resolve(batch, self._answers(self._at_once, batch))
        except Busy:
            for pair in batch:
                self._put(pair)

    def _put(self, pair: tuple[Item, asyncio.Future[Answer]]) -> None:
        group = self._group(pair[0])
        with self._turn:
            waiting = self._waiting.get(group)
            if waiting is None:
                self._waiting[group] = [pair]
                self._due.put((group,))
            else:
                waiting.append(pair)

    def close(self) -> None:
        """Finish what was submitted, then end."""
        gathered, self._gathered = self._gathered, []
        for pair in gathered:
            self._put(pair)
        with self._turn:
            self._turn.wait_for(lambda: not self._waiting)
        for _ in self._threads:
            self._due.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (due := self._due.get()) is not None:
            (group,) = due
            with self._turn:
                waiting = self._waiting[group]
                batch, self._waiting[group] = waiting[:_MOST_AT_ONCE], waiting[_MOST_AT_ONCE:]
            self._do(batch)
            with self._turn:
                if self._waiting[group]:
                    self._due.put(due)
                else:
                    del self._waiting[group]
                    self._turn.notify_all()

    def _do(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        answers = self._answers(self._work, batch)
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop = batch[0][1].get_loop()
            loop.call_soon_threadsafe(_resolve, batch, answers)

    def _answers(
        self,
        work: Callable[[Sequence[Item]], Sequence[Answer]],
        batch: Sequence[tuple[Item, asyncio.Future[Answer]]],
    ) -> Sequence[Answer | BaseException]:
        try:
            return work([item for item, _ in batch])
        except Busy:
            raise
        except DATABASE_ERRORS as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                return [error]
            if work is not self._work:  # each alone takes its time, which the event loop does not have
                raise Busy from error
            # a defect that one of them meets is not the others'
            return [answer for pair in batch for answer in self._answers(self._work, [pair])]


def _resolve(batch: Sequence[tuple[Item, asyncio.Future[Answer]]], answers: Sequence[Answer | BaseException]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if future.done():
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
