"""kill -9 of a process at a chosen point of its work: after so many bytes, commits or messages."""

from __future__ import annotations

import contextlib
import itertools
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Literal

import httpx
import psutil
from sqlalchemy import update
from sqlalchemy.engine import make_url

from anuma_dash.mail import Mail
from anuma_dash.workflows import utc_now
from tests.faults.proxy import FINE, Fault, Way
from tests.faults.site import Site
from tests.mailserver import MailboxOfTests

Point = Literal["requests", "answers", "commits", "messages"]
MOST: dict[Point, int] = {"requests": 1600, "answers": 1200, "commits": 7, "messages": 3}
"""How far the points go. Bytes are those between dashboard and gateway; a message is one that the mail server took."""
LOOK_SECONDS = 0.0002


class Killer:
    """Kills its victim at the point: `after` so many of what `point` says, or at the end if fewer come.

    A message counts before the mail server has said that it took it.
    """

    def __init__(
        self, running: Site, victim: str, point: Point, after: int, mailbox: MailboxOfTests | None = None
    ) -> None:
        self._site = running
        self._victim = victim
        self._point: Point = point
        self._after = after
        self._mailbox = mailbox
        self._once = threading.Lock()
        self._struck = False

    def __str__(self) -> str:
        return f"{self._victim} is killed after {self._after} {self._point}"

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Within this the kill happens; afterwards everything runs again."""
        process = self._site.running[self._victim]
        try:
            with self._waiting():
                yield
        finally:
            self._strike()
            process.popen.wait(10)  # else it would still count as running
            if self._victim == "worker":
                end_leases_of_sending(self._site)
            self._site.start("gateway", "web", "worker")

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        if self._point == "commits":
            with self._on_commits():
                yield
        elif self._point == "messages":
            with self._on_messages():
                yield
        else:
            with self._on_bytes():
                yield

    @contextlib.contextmanager
    def _on_bytes(self) -> Iterator[None]:
        self._site.proxy.on_cut = self._strike
        self._site.proxy.fault = Fault(**{self._point: Way(cut_after=self._after)})
        try:
            yield
        finally:
            self._site.proxy.on_cut = None
            self._site.proxy.fault = FINE

    @contextlib.contextmanager
    def _on_messages(self) -> Iterator[None]:
        assert self._mailbox is not None
        taken = itertools.count(1)
        self._mailbox.before_answer = lambda: self._strike() if next(taken) == self._after else None
        try:
            yield
        finally:
            self._mailbox.before_answer = lambda: None

    @contextlib.contextmanager
    def _on_commits(self) -> Iterator[None]:
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch_commits, args=(ended,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join(10)

    def _watch_commits(self, ended: threading.Event) -> None:
        path = make_url(self._site.settings.database_url).database
        with contextlib.closing(sqlite3.connect(str(path))) as connection:
            # It changes when somebody else has committed; several between two looks count as one.
            look = "PRAGMA data_version"
            seen, commits = connection.execute(look).fetchone(), 0
            while commits < self._after and not ended.is_set():
                time.sleep(LOOK_SECONDS)
                now = connection.execute(look).fetchone()
                commits += now != seen
                seen = now
        if not ended.is_set():
            self._strike()

    def _strike(self) -> None:
        with self._once:
            if self._struck:
                return
            self._struck = True
            process = psutil.Process(self._site.running[self._victim].popen.pid)
            # Of the web those that it forked do the work; it must not get the chance to fork others.
            for one in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()


class Attack:
    """Breaks once into a story that has several moments: into which, by whose death and where, the dice say."""

    def __init__(self, running: Site, mailbox: MailboxOfTests, dice: random.Random, moments: int) -> None:
        self._site = running
        self._mailbox = mailbox
        self._dice = dice
        self._left = dice.randrange(moments)
        self.killer: Killer | None = None

    def __str__(self) -> str:
        return str(self.killer)

    def at(self, *victims: str, points: tuple[Point, ...]) -> contextlib.AbstractContextManager[None]:
        """One moment of the story, in which one of these may die at one of these points."""
        self._left -= 1
        if self._left != -1:
            return contextlib.nullcontext()
        point = self._dice.choice(points)
        after = self._dice.randrange(1, MOST[point])
        self.killer = Killer(self._site, self._dice.choice(victims), point, after, self._mailbox)
        return self.killer.at_work()


def end_leases_of_sending(running: Site) -> None:
    """The minute is over for which a message that a dead worker was handing over is left alone."""
    with running.context.db.transaction() as tx:
        tx.execute(update(Mail).where(Mail.state == "sending").values(next_try_at=utc_now()))


def broken_by(killer: Killer | None) -> contextlib.AbstractContextManager[None]:
    """What is killed meanwhile, if anything."""
    return killer.at_work() if killer else contextlib.nullcontext()


def act(deed: Callable[[], httpx.Response]) -> httpx.Response | None:
    """What the browser got, if anybody answered."""
    try:
        return deed()
    except httpx.HTTPError:
        return None
