"""The form of a first sign-in."""

from __future__ import annotations

from wtforms import BooleanField, Form, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered, time_zones


class WelcomeForm(Form):
    """Name, time zone, age."""

    name = StringField(
        "Your name",
        [
            DataRequired("Enter a name that people in your account will see."),
            Length(max=200, message="Use 200 characters at most."),
        ],
        filters=[one_line],
    )
    time_zone = SelectField(
        "Time zone",
        [Offered("Choose a time zone from the list.")],
        choices=time_zones,
        default="UTC",
        validate_choice=False,
    )
    thirteen_or_older = BooleanField("I am 13 or older", [InputRequired("Say that you are 13 or older to go on.")])
