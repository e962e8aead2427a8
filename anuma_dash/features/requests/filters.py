"""The filters of the request log, read from the address. What cannot be read is named, never silently dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

NAMES = ("key", "app", "model", "status", "content", "from", "to", "tests")
STATUS_CLASSES = (("", "Any"), ("2xx", "2xx succeeded"), ("4xx", "4xx refused"), ("5xx", "5xx failed"))
CONTENT_STATES = (("", "Any"), ("stored", "Stored"), ("not_stored", "Not stored"))


@dataclass(frozen=True)
class Filters:
    """Which requests to list. Days are the person's own, `last_day` is included."""

    zone: ZoneInfo
    key: UUID | None = None
    app: UUID | None = None
    model: str = ""
    status: str = ""
    content: str = ""
    first_day: date | None = None
    last_day: date | None = None
    tests: bool = False
    not_understood: tuple[str, ...] = ()
    active: Mapping[str, str] = field(default_factory=dict)

    def query(self) -> dict[str, object]:
        """The filters as the gateway wants them."""
        return {
            "key": self.key,
            "app": self.app,
            "model": self.model or None,
            "status_class": self.status or None,
            "content": self.content or None,
            "from": self._midnight(self.first_day),
            "to": self._midnight(self.last_day, days_later=1),
            "include_tests": str(self.tests).lower(),
        }

    def _midnight(self, day: date | None, days_later: int = 0) -> str | None:
        if day is None:
            return None
        return datetime.combine(day + timedelta(days=days_later), time(), self.zone).isoformat()


def parse_filters(values: Mapping[str, str], zone: ZoneInfo) -> Filters:
    """Read the filters that the address names."""
    read: dict[str, object] = {}
    wrong: list[str] = []
    for name, text in values.items():
        try:
            attribute, value = _read(name, text)
        except ValueError:
            wrong.append(name)
        else:
            read[attribute] = value
    active = {name: text for name, text in values.items() if name not in wrong}
    return Filters(zone=zone, not_understood=tuple(wrong), active=active, **read)  # type: ignore[arg-type]


def _read(name: str, text: str) -> tuple[str, object]:
    if name in ("key", "app"):
        return name, UUID(text)
    if name in ("from", "to"):
        day = date.fromisoformat(text)
        if day.isoformat() != text or not 2000 <= day.year <= 2200:
            raise ValueError
        return ("first_day" if name == "from" else "last_day"), day
    if name == "tests":
        if text != "yes":
            raise ValueError
        return "tests", True
    choices = {"status": STATUS_CLASSES, "content": CONTENT_STATES}.get(name)
    if choices and text not in dict(choices):
        raise ValueError
    return name, text
