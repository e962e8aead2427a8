"""The filters of the history, read from the address. What cannot be read is named, never silently dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from anuma_dash.gateway.schemas import DeletionScope

NAMES = ("q", "model", "app", "pinned", "from", "until")
PINNED = (("", "Any"), ("yes", "Pinned"), ("no", "Not pinned"))


@dataclass(frozen=True)
class Filters:
    """Which conversations to list. Days are the person's own, those of the last message; both are included."""

    zone: ZoneInfo
    q: str = ""
    model: str = ""
    app: UUID | None = None
    pinned: bool | None = None
    first_day: date | None = None
    last_day: date | None = None
    not_understood: tuple[str, ...] = ()
    active: Mapping[str, str] = field(default_factory=dict)

    def query(self) -> dict[str, object]:
        """The filters but the words, as the gateway wants them."""
        return {
            "model": self.model or None,
            "app": self.app,
            "pinned": None if self.pinned is None else str(self.pinned).lower(),
            "from_": _text(self._midnight(self.first_day)),
            "until": _text(self._midnight(self.last_day, days_later=1)),
        }

    def scope(self, person: UUID | None) -> DeletionScope | None:
        """A deletion of what they let through; None where no scope can say it: words, a first day."""
        if self.q or self.first_day:
            return None
        return DeletionScope(
            category="conversations",
            person=person,
            model=self.model or None,
            app_id=self.app,
            pinned=self.pinned,
            before=self._midnight(self.last_day, days_later=1),
        )

    def _midnight(self, day: date | None, days_later: int = 0) -> datetime | None:
        return None if day is None else datetime.combine(day + timedelta(days=days_later), time(), self.zone)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def parse_filters(values: Mapping[str, str], zone: ZoneInfo) -> Filters:
    """Read the filters that the address names. Words are looked for everywhere, so no other filter goes with them."""
    if values.get("q"):
        values = {"q": values["q"]}
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
    if name == "app":
        return name, UUID(text)
    if name in ("from", "until"):
        day = date.fromisoformat(text)
        if day.isoformat() != text or not 2000 <= day.year <= 2200:
            raise ValueError
        return ("first_day" if name == "from" else "last_day"), day
    if name == "pinned":
        return name, {"yes": True, "no": False}[text] if text in ("yes", "no") else _refuse()
    return name, text


def _refuse() -> bool:
    raise ValueError
