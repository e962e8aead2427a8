"""Choosing from a list in a form, with words of our own for what is not on it."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from wtforms import Form, SelectField
from wtforms.validators import ValidationError

NO_ZONES = ("Factory", "localtime", "posixrules")
"""Files of the time zone database that say nothing of a place."""


@cache
def time_zones() -> tuple[tuple[str, str], ...]:
    """Every zone of the IANA time zone database: UTC, the places, then zones without a place and old names."""
    zones = sorted(available_timezones() - {"UTC", *NO_ZONES})
    places = [zone for zone in zones if "/" in zone and not zone.startswith("Etc/")]
    others = [zone for zone in zones if zone not in places]
    return tuple((zone, zone.replace("_", " ")) for zone in ("UTC", *places, *others))


class Offered:
    """The choice must be one of those that the field offers. The field itself needs `validate_choice=False`."""

    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, form: Form, field: SelectField) -> None:
        """Raise `ValidationError` for anything else."""
        if field.data not in {value for value, *_ in field.iter_choices()}:
            raise ValidationError(self.message)
