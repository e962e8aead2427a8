"""Run every benchmark and write the figures, with the bound beside each, to `docs/benchmarks.md`."""

from __future__ import annotations

import platform
import tempfile
from pathlib import Path

from benchmarks import pages
from benchmarks.figures import Figure
from tests.processes import ROOT, stack

HEADER = """# Benchmarks

`make bench` measures these and writes this page. Every figure is a ratio or a count inside one run: times of one
machine say nothing about another's. What is compared runs interleaved; *median* and *worst* are over the rounds.

| measure | bound | median | worst | rounds |
|---|---|---|---|---|
"""


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as found:
        figures = pages.measure(found)
    rows = "".join(_row(figure) for figure in figures)
    machine = f"\nMeasured with Python {platform.python_version()} on {platform.system()} {platform.machine()}.\n"
    (ROOT / "docs" / "benchmarks.md").write_text(HEADER + rows + machine)
    print(HEADER + rows)


def _row(figure: Figure) -> str:
    return (
        f"| {figure.name} | {figure.bound} | {figure.median:.2f}{'' if figure.holds else ' **misses it**'} "
        f"| {figure.worst:.2f} | {len(figure.values)} |\n"
    )


if __name__ == "__main__":
    main()
