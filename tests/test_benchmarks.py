"""Every benchmark runs, in its smallest size, and says what it measured; whether it is quick is not asserted here."""

from __future__ import annotations

import pytest

from benchmarks import __main__ as bench
from benchmarks import overload, workers
from benchmarks.figures import TINY, Figure
from benchmarks.lab import laboratory


@pytest.fixture(scope="module")
def lab():
    with laboratory() as made:
        yield made


# What these two start is tested elsewhere (faults/test_overload.py, deploy/test_running.py), and takes long to start.
pytestmark = pytest.mark.long
QUICK = [module for module in bench.BENCHMARKS if module not in (overload, workers)]


@pytest.mark.parametrize("module", QUICK, ids=bench._name)
def test_it_runs_and_answers_figures_with_their_bounds(module, lab):
    figures = module.measure(TINY, lab)
    assert any(figure.bound is not None for figure in figures)
    for figure in figures:
        assert figure.name
        assert figure.values or figure.next_step, f"{figure.name}: neither measured nor explained"
        assert all(value >= 0 or figure.unit == "ms" for value in figure.values)


def test_the_page_explains_what_misses_its_bound():
    page = bench.page(
        [
            Figure("quick", 1.5, [1.2, 1.4, 9.0]),
            Figure("slow", 1.5, [1.6, 1.7, 1.8], next_step="Buy another clock."),
            Figure("workers", 1.7, [1.9, 1.2, 1.8], at_least=True),
            Figure("missing", 2, [], next_step="Redis cannot be reached."),
        ]
    )
    assert "| quick | ≤ 1.5 | 1.40 | 9.00 | 3 |" in page
    assert "| slow | ≤ 1.5 | 1.70 **misses it** | 1.80 | 3 |" in page
    assert "| workers | ≥ 1.7 | 1.80 | 1.20 | 3 |" in page
    assert "| missing | ≤ 2 | not measured: Redis cannot be reached. | | |" in page
    explained = page.partition("## What misses its bound")[2]
    assert "**slow**: Buy another clock." in explained
    assert "**missing**: Redis cannot be reached." in explained
    assert "quick" not in explained
