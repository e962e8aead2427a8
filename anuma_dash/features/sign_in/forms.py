"""The form of a first sign-in."""

from __future__ import annotations

from zoneinfo import available_timezones

from wtforms import BooleanField, Form, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from anuma_dash.names import one_line


def time_zones() -> list[tuple[str, str]]:
    """The time zones a person may choose from: places, and UTC."""
    places = sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith(("Etc/", "System")))
    return [("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in places)]


class WelcomeForm(Form):
    """Name, time zone, age."""

    name = StringField(
        "Your name",
        [DataRequired("Enter a name that people in your account will see."), Length(max=200)],
        filters=[one_line],
    )
    time_zone = SelectField("Time zone", choices=time_zones, default="UTC")
    thirteen_or_older = BooleanField("I am 13 or older", [InputRequired("Say that you are 13 or older to go on.")])
