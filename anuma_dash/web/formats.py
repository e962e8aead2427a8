"""How figures, money and times are written for people. Times are in the person's own time zone."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_datetime
from babel.numbers import format_decimal
from flask import Flask

from anuma_dash.web.state import now, viewer

MICRO_USD = 1_000_000
LOCALE = "en_US"


def install(app: Flask) -> None:
    """Make the formats available to templates, as filters and as functions."""
    for function in (local_time, local_date, ago, money, number, size, duration_ms, utc_iso, utc_text, plural):
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
    pattern = "MMM d, HH:mm:ss" if local.year == now().astimezone(zone).year else "MMM d, y, HH:mm:ss"
    return format_datetime(local, pattern, tzinfo=zone, locale=LOCALE)


def local_date(value: datetime) -> str:
    """A day, such as "Nov 22"; with the year if it is not this one."""
    zone = time_zone()
    local = value.astimezone(zone)
    pattern = "MMM d" if local.year == now().astimezone(zone).year else "MMM d, y"
    return format_datetime(local, pattern, tzinfo=zone, locale=LOCALE)


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
    """Integer micro-USD as dollars: to the cent from one dollar on, exactly below, so that a little is not nothing."""
    if micro_usd == 0:
        return "$0"
    sign, absolute = ("-" if micro_usd < 0 else ""), abs(micro_usd)
    if absolute < MICRO_USD:
        return f"{sign}$0.{f'{absolute:06d}'.rstrip('0').ljust(2, '0')}"
    dollars, cents = divmod((absolute + 5_000) // 10_000, 100)
    return f"{sign}${format_decimal(dollars, locale=LOCALE)}.{cents:02d}"


def number(value: int) -> str:
    """A whole number with thousands separators."""
    return str(format_decimal(value, locale=LOCALE))


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
