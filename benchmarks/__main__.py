"""Run every benchmark and write the figures, with the bound beside each, to `docs/benchmarks.md`.

`--only NAME` runs one and writes nothing; `--quick` measures fewer rounds and smaller sizes, and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from types import ModuleType

from benchmarks import depth, exports, history, keys, overload, pages, passthrough, security, weight, workers
from benchmarks.figures import FULL, QUICK, Effort, Figure
from benchmarks.lab import Lab, laboratory
from tests.processes import ROOT

BENCHMARKS: tuple[ModuleType, ...] = (
    pages,
    security,
    weight,
    passthrough,
    keys,
    depth,
    history,
    exports,
    overload,
    workers,
)
"""Each has `measure(effort, lab) -> list[Figure]`."""

HEADER = """# Benchmarks

`make bench` measures these and writes this page. Every figure is a ratio, a count or a difference inside one run: times
of one machine say nothing about another's. What is compared runs interleaved, in an order that chance decides; servers
and clients are processes of their own, on cores of their own where there are two. *Median* and *worst* are over the
rounds.
"""


def main() -> None:
    """Measure, print, write."""
    names = [_name(module) for module in BENCHMARKS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=names, help="run this one")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    chosen = parser.parse_args()
    figures = []
    with laboratory() as lab:
        for module in BENCHMARKS:
            if chosen.only in (None, _name(module)):
                figures += _measure(module, QUICK if chosen.quick else FULL, lab)
    if not chosen.quick and chosen.only is None:
        (ROOT / "docs" / "benchmarks.md").write_text(page(figures))


def page(figures: list[Figure]) -> str:
    """The page of these figures."""
    lines = [HEADER, "| measure | bound | median | worst | rounds |", "|---|---|---|---|---|"]
    lines += [_row(figure) for figure in figures]
    missed = [figure for figure in figures if not figure.holds]
    if missed:
        lines += [
            "",
            "## What misses its bound",
            "",
            *(f"- **{figure.name}**: {figure.next_step}" for figure in missed),
        ]
    machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return "\n".join([*lines, "", f"Measured with {machine}.", ""])


def _measure(module: ModuleType, effort: Effort, lab: Lab) -> list[Figure]:
    began = time.monotonic()
    figures: list[Figure] = module.measure(effort, lab)
    print(f"\n{_name(module)} ({time.monotonic() - began:.0f} s)", flush=True)
    for figure in figures:
        print(_row(figure), flush=True)
    return figures


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _row(figure: Figure) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    bound = "" if figure.bound is None else f"{'≥' if figure.at_least else '≤'} {figure.bound:g}{unit}"
    if not figure.values:
        return f"| {figure.name} | {bound} | not measured: {figure.next_step} | | |"
    missed = "" if figure.holds else " **misses it**"
    median, worst = f"{figure.median:.2f}{unit}", f"{figure.worst:.2f}{unit}"
    return f"| {figure.name} | {bound} | {median}{missed} | {worst} | {len(figure.values)} |"


if __name__ == "__main__":
    main()
