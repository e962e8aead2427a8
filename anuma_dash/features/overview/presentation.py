"""The overview's figures in the shape of its page."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from anuma_dash.gateway.schemas import Day, Overview
from anuma_dash.web.charts import Bar, Chart, bar_chart
from anuma_dash.web.formats import money, plural, short_day

DAYS = 30
FEW = 3


def greeting(local: datetime, name: str) -> str:
    """A greeting by the person's time of day and first name."""
    part = "morning" if 5 <= local.hour < 12 else "afternoon" if 12 <= local.hour < 18 else "evening"
    first = name.split()[0] if name.split() else ""
    return f"Good {part}, {first}" if first else f"Good {part}"


def failed_share(overview: Overview) -> str:
    """The share of today's requests that failed."""
    if overview.requests_today == 0:
        return "since midnight UTC"
    if overview.errors_today == 0:
        return "none failed"
    share = overview.errors_today / overview.requests_today * 100
    return f"{share:.1f}% failed" if share >= 0.05 else "less than 0.1% failed"


def spend_chart(overview: Overview) -> tuple[Chart, str, str, str]:
    """The chart of the last 30 days with its title, its unit, and its highest day: spend, or requests if all were
    free."""
    known = {day.day: day for day in overview.days}
    today = overview.as_of.date()
    days = [known.get(day, _empty(day)) for day in (today - timedelta(days=back) for back in range(DAYS - 1, -1, -1))]
    spends = any(day.cost_micro_usd for day in days)
    title = "Spend, last 30 days" if spends else "Requests, last 30 days"
    bars = [_bar(day, spends) for day in days]
    peak = max(bars, key=lambda bar: bar.value)
    chart = bar_chart(
        bars,
        summary=f"{title}, by UTC day",
        label_heading="Day (UTC)",
        value_heading="Spend" if spends else "Requests",
    )
    words = f"Highest {peak.text}, {peak.label}" if peak.value else "None in the last 30 days"
    return chart, title, "US$ per day" if spends else "per day", words


def _empty(day: date) -> Day:
    return Day(day=day, requests=0, errors=0, cost_micro_usd=0)


def _bar(day: Day, spends: bool) -> Bar:
    label = short_day(day.day)
    if spends:
        return Bar(label, day.cost_micro_usd, money(day.cost_micro_usd))
    return Bar(label, day.requests, plural(day.requests, "request"))
