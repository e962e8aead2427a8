"""How often a key may ask, and how much an account may ask at once: counted in this process's memory."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from . import refusals

_MAX_KEYS: Final = 10_000


class Shares:
    """Lets every account have so many requests under way at once, so that none takes all the places there are."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._under_way: Counter[UUID] = Counter()

    @contextmanager
    def one(self, account: UUID) -> Iterator[None]:
        """A request while it is under way.

        Raises:
            Refusal: 429, there are too many.
        """
        if self._under_way[account] >= self._most:
            raise refusals.too_many_at_once()
        self._under_way[account] += 1
        try:
            yield
        finally:
            self._under_way[account] -= 1
            if not self._under_way[account]:
                del self._under_way[account]


class Rates:
    """A token bucket for each key: so many requests a minute, all of them at once if it likes.

    Args:
        per_minute: 0 for no limit.
        clock: a monotonic one, in seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[UUID, tuple[float, float]] = {}

    def take(self, key: UUID) -> int:
        """Count one request. Answers 0 if it may go on, else after how many seconds the next one may."""
        if not self._per_minute:
            return 0
        now, per_second = self._clock(), self._per_minute / 60
        level, at = self._buckets.pop(key, (float(self._per_minute), now))
        level = min(float(self._per_minute), level + (now - at) * per_second)
        allowed = level >= 1
        self._buckets[key] = (level - allowed, now)  # the newest last
        while len(self._buckets) > _MAX_KEYS:
            del self._buckets[next(iter(self._buckets))]
        return 0 if allowed else math.ceil((1 - level) / per_second)
