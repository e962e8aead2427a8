"""What a benchmark yields, and how two things are compared."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ROUNDS = 9


@dataclass(frozen=True)
class Figure:
    """One measured ratio or count, with the highest value that is acceptable."""

    name: str
    highest: float
    values: Sequence[float]

    @property
    def bound(self) -> str:
        """The bound as it is written."""
        return f"≤ {self.highest:g}"

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.values)

    @property
    def worst(self) -> float:
        """The highest of the rounds."""
        return max(self.values)

    @property
    def holds(self) -> bool:
        """Whether the median is within the bound."""
        return self.median <= self.highest


def ratio(ours: Callable[[], object], bare: Callable[[], object], *, times: int = 40) -> list[float]:
    """How much longer ours takes than the bare thing: one ratio a round, the two interleaved call by call."""
    for _ in range(5):
        ours()
        bare()
    ratios = []
    for _ in range(ROUNDS):
        gc.collect()
        spent = [0.0, 0.0]
        for _ in range(times):
            for index, act in enumerate((ours, bare)):
                began = time.perf_counter()
                act()
                spent[index] += time.perf_counter() - began
        ratios.append(spent[0] / spent[1])
    return ratios
