"""Two calls that do not depend on each other, made at the same time, within one budget."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from anuma_dash.gateway.deadline import deadline

First = TypeVar("First")
Second = TypeVar("Second")


def together(seconds: float, first: Callable[[], First], second: Callable[[], Second]) -> tuple[First, Second]:
    """What both answer. Whatever happens, neither goes on behind this.

    Args:
        seconds: by when both must have ended, counted from now.
        first: made by this thread. If both fail, it is its error that is raised.
        second: made by another one.

    Raises what the calls raise.
    """
    ends_at = time.monotonic() + seconds

    def limited() -> Second:
        with deadline(ends_at - time.monotonic()):
            return second()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(copy_context().run, limited)
        with deadline(seconds):
            found = first()
        return found, waiting.result()
