"""Figures, money and times as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from anuma_dash.identity import User
from anuma_dash.web import formats
from anuma_dash.web.charts import LEAST_VISIBLE, Bar, bar_chart
from anuma_dash.web.render import initials

MICRO = Decimal(1_000_000)


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_money_is_exact_below_a_dollar_and_true_to_the_cent_above(micro_usd):
    text = formats.money(micro_usd)

    assert re.fullmatch(r"-?\$(0|0\.\d{2,6}|[1-9]\d{0,2}(,\d{3})*\.\d{2})", text)
    read = Decimal(text.replace("$", "").replace(",", "")) * MICRO
    assert read == micro_usd if abs(micro_usd) < MICRO else abs(read - micro_usd) <= 5_000


@pytest.mark.parametrize(
    ("micro_usd", "text"),
    [
        (0, "$0"),
        (1, "$0.000001"),
        (10_000, "$0.01"),
        (150_000, "$0.15"),
        (999_999, "$0.999999"),
        (1_000_000, "$1.00"),
        (1_234_565_000, "$1,234.57"),
        (-2_500, "-$0.0025"),
        (-12_000_000, "-$12.00"),
    ],
)
def test_money_in_words(micro_usd, text):
    assert formats.money(micro_usd) == text


@given(st.integers(min_value=0, max_value=10**15))
def test_numbers_lose_no_digit(value):
    assert int(formats.number(value).replace(",", "")) == value


@pytest.mark.parametrize(
    ("count_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (123_456, "123 KB"), (5_400_000, "5.4 MB"), (2 * 10**12, "2000 GB")],
)
def test_sizes_in_words(count_bytes, text):
    assert formats.size(count_bytes) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0, "<1 ms"), (4, "4 ms"), (999, "999 ms"), (1000, "1.0 s"), (1940, "1.9 s")]
)
def test_durations_in_words(milliseconds, text):
    assert formats.duration_ms(milliseconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 requests"), (1, "1 request"), (2, "2 requests"), (1204, "1,204 requests")]
)
def test_a_noun_goes_with_its_count(count, text):
    assert formats.plural(count, "request") == text


def test_an_irregular_plural_is_given():
    assert formats.plural(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Olive Lindqvist", "OL"),
        ("ada", "A"),
        ("Anna Maria von Arc", "AA"),
        ("(x) Bill", "B"),
        ("  ", "?"),
        ("💡", "💡"),
    ],
)
def test_initials_stand_for_a_name(name, letters):
    assert initials(name) == letters


class TestTimes:
    """Times are the person's own; UTC where nobody is signed in."""

    @pytest.fixture
    def as_olive(self, world):
        """Run a function as if inside a request of Olive, whose clocks show this zone."""

        def run(function, *arguments, time_zone="America/New_York"):
            world.clock.now = datetime(2025, 11, 22, 15, 30, tzinfo=UTC)
            with world.db.transaction() as tx:
                tx.execute(update(User).where(User.id == world.olive.id).values(time_zone=time_zone))
            found = []
            view = lambda: found.append(function(*arguments)) or ""  # noqa: E731 - a view for this one request
            view.access_rule = world.app.view_functions["sign_in.signed_out"].access_rule
            world.app.view_functions["sign_in.signed_out"] = view
            assert world.browser(world.olive).request("GET", "/signed-out").status_code == 200
            return found[0]

        return run

    @pytest.mark.parametrize(
        ("time_zone", "text"),
        [
            ("UTC", "Nov 22, 15:02:14"),
            ("America/New_York", "Nov 22, 10:02:14"),
            ("Asia/Kolkata", "Nov 22, 20:32:14"),
            ("Not/A_Zone", "Nov 22, 15:02:14"),
        ],
    )
    def test_a_time_is_shown_in_the_zone_of_the_person(self, as_olive, time_zone, text):
        value = datetime(2025, 11, 22, 15, 2, 14, tzinfo=UTC)

        assert as_olive(formats.local_time, value, time_zone=time_zone) == text

    def test_another_year_is_named(self, as_olive):
        assert as_olive(formats.local_time, datetime(2024, 1, 1, 4, 0, tzinfo=UTC)) == "Dec 31, 2023, 23:00:00"
        assert as_olive(formats.local_date, datetime(2024, 1, 1, 4, 0, tzinfo=UTC)) == "Dec 31, 2023"

    @pytest.mark.parametrize(
        ("before", "text"),
        [
            (timedelta(milliseconds=400), "just now"),
            (timedelta(seconds=12), "12 s ago"),
            (timedelta(minutes=59, seconds=59), "59 min ago"),
            (timedelta(hours=23), "23 h ago"),
            (timedelta(days=2), "Nov 20"),
            (timedelta(minutes=-5), "Nov 22, 10:35:00"),
        ],
    )
    def test_a_recent_time_says_how_long_ago(self, as_olive, before, text):
        assert as_olive(formats.ago, datetime(2025, 11, 22, 15, 30, tzinfo=UTC) - before) == text

    def test_the_hover_text_and_the_machine_readable_time_are_utc(self):
        noon = datetime(2025, 11, 22, 12, 0, 5, 999, tzinfo=UTC)

        assert formats.utc_text(noon) == "2025-11-22 12:00:05 UTC"
        assert formats.utc_iso(noon) == "2025-11-22T12:00:05Z"


class TestCharts:
    """A picture and a table that say the same."""

    def chart(self, *values):
        bars = [Bar(f"Nov {day}", value, f"{value} requests") for day, value in enumerate(values, 1)]
        return bar_chart(bars, summary="Requests by day", label_heading="Day", value_heading="Requests")

    def heights(self, chart):
        return [float(height) for height in re.findall(r'<rect[^>]* height="([0-9.]+)"', chart.svg)]

    def test_bars_are_as_high_as_their_values(self):
        assert self.heights(self.chart(10, 5, 0)) == [120, 60, 1]

    def test_a_little_is_never_invisible_and_nothing_is_marked_as_nothing(self):
        chart = self.chart(1, 1_000_000, 0)

        assert self.heights(chart)[0] == LEAST_VISIBLE
        assert chart.svg.count("bar-empty") == 1

    def test_every_bar_has_its_figure_in_words(self):
        chart = self.chart(3)

        assert "<title>Nov 1: 3 requests</title>" in chart.svg
        assert [row.text for row in chart.rows] == ["3 requests"]

    def test_a_chart_of_nothing_is_empty(self):
        assert self.heights(self.chart()) == []

    def test_words_in_a_chart_are_escaped(self):
        bars = [Bar("<script>alert(1)</script>", 1, '"><b>')]
        chart = bar_chart(bars, summary='"<x>', label_heading="Day", value_heading="Requests")

        assert "<script>" not in chart.svg
        assert "<b>" not in chart.svg
        assert "<x>" not in chart.svg
