"""What a benchmark yields, and how two things are compared."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Effort:
    """How much is measured: rounds of every comparison, calls in a round, and how large "large" is."""

    rounds: int
    calls: int
    many_rows: int
    few_rows: int
    many_keys: int
    few_keys: int


FULL = Effort(rounds=9, calls=200, many_rows=1_000_000, few_rows=10_000, many_keys=1_000_000, few_keys=1_000)
QUICK = Effort(rounds=3, calls=100, many_rows=300_000, few_rows=10_000, many_keys=100_000, few_keys=1_000)
TINY = Effort(rounds=1, calls=2, many_rows=200, few_rows=100, many_keys=40, few_keys=20)
"""Proves that it runs; its figures mean nothing."""


@dataclass(frozen=True)
class Figure:
    """One measured ratio, count, size or time.

    Args:
        name: what was measured.
        bound: what is acceptable; None for what is only shown beside another figure.
        values: one a round; none if it could not be measured, then `next_step` says what is missing.
        unit: "" for a ratio or a count, "ms", "KB".
        at_least: the bound is the lowest acceptable value, not the highest.
        next_step: shown where the bound is missed: why, and what would mend it.
    """

    name: str
    bound: float | None
    values: Sequence[float]
    unit: str = ""
    at_least: bool = False
    next_step: str = ""

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.values)

    @property
    def worst(self) -> float:
        """The worst of the rounds."""
        return min(self.values) if self.at_least else max(self.values)

    @property
    def holds(self) -> bool:
        """Whether the median is within the bound."""
        if self.bound is None:
            return True
        if not self.values:
            return False
        return self.median >= self.bound if self.at_least else self.median <= self.bound


def interleaved(arms: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each arm answers, once a round, in an order that chance decides anew each time."""
    found: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        gc.collect()
        for name in random.sample(list(arms), len(arms)):
            found[name].append(arms[name]())
    return found


def ratios(ours: Sequence[float], other: Sequence[float]) -> list[float]:
    """Ours by the other, round by round; a round in which the other's clock did not move is left out."""
    return [mine / its for mine, its in zip(ours, other, strict=True) if its > 0]


def compared(ours: Callable[[], object], bare: Callable[[], object], effort: Effort) -> list[float]:
    """How much longer ours takes than the bare thing, a ratio a round; the two take turns call by call."""
    for _ in range(min(5, effort.calls)):
        ours()
        bare()
    found = []
    for _ in range(effort.rounds):
        gc.collect()
        spent = [0.0, 0.0]
        for _ in range(effort.calls):
            for index in random.sample((0, 1), 2):
                act = (ours, bare)[index]
                began = time.perf_counter()
                act()
                spent[index] += time.perf_counter() - began
        found.append(spent[0] / spent[1])
    return found
