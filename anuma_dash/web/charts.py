"""Charts: SVG drawn by the server. The figures stand in a real table beside it, for screen readers and for copying."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH = 600
HEIGHT = 120
GAP_SHARE = 0.3
LEAST_VISIBLE = 2


@dataclass(frozen=True)
class Bar:
    """One bar: what it stands for, its height in any unit, and the figure as people read it."""

    label: str
    value: int
    text: str


@dataclass(frozen=True)
class Chart:
    """A bar chart: its picture, the rows of its table, and what it shows in one sentence."""

    svg: Markup
    rows: Sequence[Bar]
    summary: str
    label_heading: str
    value_heading: str


def bar_chart(bars: Sequence[Bar], *, summary: str, label_heading: str, value_heading: str) -> Chart:
    """Draw bars from left to right. Every bar has a hover text; a value above zero is never invisible."""
    highest = max((bar.value for bar in bars), default=0) or 1
    step = WIDTH / max(len(bars), 1)
    shapes = Markup("").join(_bar(bar, index, step, highest) for index, bar in enumerate(bars))
    svg = Markup(
        '<svg class="chart-bars" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        'aria-label="{summary}">{shapes}</svg>'
    ).format(width=WIDTH, height=HEIGHT, summary=summary, shapes=shapes)
    return Chart(svg, bars, summary, label_heading, value_heading)


def _bar(bar: Bar, index: int, step: float, highest: int) -> Markup:
    height = round(bar.value / highest * HEIGHT, 2)
    if bar.value > 0:
        height = max(height, LEAST_VISIBLE)
    shown = max(height, 1)
    return Markup(
        '<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="2"><title>{title}</title></rect>'
    ).format(
        kind="bar" if bar.value else "bar bar-empty",
        x=round(index * step + step * GAP_SHARE / 2, 2),
        y=round(HEIGHT - shown, 2),
        width=round(step * (1 - GAP_SHARE), 2),
        height=round(shown, 2),
        title=f"{bar.label}: {bar.text}",
    )
