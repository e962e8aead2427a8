"""How figures, money and times are written for people. Times are in the person's own time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, g, has_request_context

from anuma_dash.web.state import actor, now, viewer

MICRO_USD = 1_000_000
HIDDEN = "•••"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""The site is in US English; writing its few formats out takes a tenth of what a library for all locales takes."""


def install(app: Flask) -> None:
    """Make the formats available to templates, as filters and as functions."""
    times = (local_time, local_date, ago, duration_ms, utc_iso, utc_text)
    for function in (*times, money, number, size, plural, key_tail):
        app.jinja_env.filters[function.__name__] = function
        app.jinja_env.globals[function.__name__] = function


def time_zone() -> ZoneInfo:
    """The time zone of the signed-in person; UTC for strangers."""
    found = viewer()
    try:
        return ZoneInfo(found.user.time_zone if found else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def local_time(value: datetime) -> str:
    """A time to the second, such as "Nov 22, 10:02:14"; with the year if it is not this one."""
    zone = time_zone()
    local = value.astimezone(zone)
    return f"{_day(local, zone)}, {local:%H:%M:%S}"


def local_date(value: datetime) -> str:
    """A day, such as "Nov 22"; with the year if it is not this one."""
    zone = time_zone()
    return _day(value.astimezone(zone), zone)


def short_day(day: date) -> str:
    """A day of this year, such as "Nov 22"."""
    return f"{MONTHS[day.month - 1]} {day.day}"


def _day(local: datetime, zone: ZoneInfo) -> str:
    this_year = local.year == now().astimezone(zone).year
    return short_day(local) if this_year else f"{short_day(local)}, {local.year}"


def ago(value: datetime) -> str:
    """How long ago, when recent, such as "12 s ago"; otherwise the day."""
    seconds = (now() - value).total_seconds()
    if seconds < 0:
        return local_time(value)
    for limit, size_seconds, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // size_seconds)} {unit} ago" if seconds >= 1 else "just now"
    return local_date(value)


def utc_iso(value: datetime) -> str:
    """RFC 3339, in UTC."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc_text(value: datetime) -> str:
    """The time in UTC, for the hover text of a local one."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def money(micro_usd: int) -> str:
    """Integer micro-USD as dollars: to the cent from one dollar on, exactly below, so that a little is not nothing.

    In a support session without the scope billing it is hidden (rule 8 of support access).
    """
    if hidden("billing"):
        return HIDDEN
    if micro_usd == 0:
        return "$0"
    sign, absolute = ("-" if micro_usd < 0 else ""), abs(micro_usd)
    if absolute < MICRO_USD:
        return f"{sign}$0.{f'{absolute:06d}'.rstrip('0').ljust(2, '0')}"
    dollars, cents = divmod((absolute + 5_000) // 10_000, 100)
    return f"{sign}${dollars:,}.{cents:02d}"


def key_tail(last_four: str | None) -> str:
    """The last characters of a key, for whoever asks: hidden in a support session."""
    return actor().tail(last_four)


def hidden(scope: str) -> bool:
    """Whether what this scope of support access covers is kept from whoever asks."""
    return has_request_context() and "actor" in g and actor().hides(scope)


def number(value: int) -> str:
    """A whole number with thousands separators."""
    return f"{value:,}"


def size(count_bytes: int) -> str:
    """Bytes as B, KB, MB or GB (powers of 1,000)."""
    amount = float(count_bytes)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def duration_ms(milliseconds: int) -> str:
    """A duration in milliseconds as "4 ms" or "1.9 s"; one that rounds to nothing is "<1 ms"."""
    if milliseconds < 1:
        return "<1 ms"
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def plural(count: int, one: str, many: str | None = None) -> str:
    """The count with its noun: "1 request", "1,204 requests"."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
