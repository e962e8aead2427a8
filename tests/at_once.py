"""People who act at the same moment: each has looked, and stands right before the first lock of their act.

Whatever an act decides before it holds the lock, it has then decided by what nobody has changed yet: a check that is
made too early lets both through, each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from anuma_dash.db import Database

SECONDS = 20
LOCKS = ("BEGIN IMMEDIATE", "FOR UPDATE")


def at_once(db: Database, *acts: Callable[[], Any]) -> list[Any]:
    """Do these at once; returns what each answered. What one raises is raised, when all have ended."""
    meeting, met = threading.Barrier(len(acts), timeout=SECONDS), threading.local()

    def meet(_: Any, __: Any, statement: str, *___: Any) -> None:
        if getattr(met, "expected", False) and any(lock in statement for lock in LOCKS):
            met.expected = False
            meeting.wait()

    outcomes: dict[int, tuple[Any, BaseException | None]] = {}

    def run(number: int, act: Callable[[], Any]) -> None:
        met.expected = True
        try:
            outcomes[number] = (act(), None)
        except BaseException as error:
            outcomes[number] = (None, error)
        if met.expected:
            meeting.abort()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    event.listen(db.engine, "before_cursor_execute", meet)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        event.remove(db.engine, "before_cursor_execute", meet)
    for _, error in outcomes.values():
        if error is not None:
            raise error
    assert not meeting.broken, "somebody took no lock at all"
    return [outcomes[number][0] for number in range(len(acts))]
