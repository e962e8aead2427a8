"""The form of a profile."""

from __future__ import annotations

from wtforms import Form, SelectField, StringField
from wtforms.validators import DataRequired, Length

from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered, time_zones


class ProfileForm(Form):
    """What a person says of themselves."""

    name = StringField(
        "Name",
        [
            DataRequired("Enter a name that people in your account will see."),
            Length(max=200, message="Use 200 characters at most."),
        ],
        filters=[one_line],
        description="People in your accounts see it, also in the activity. What is recorded already keeps the name "
        "that you had then.",
    )
    time_zone = SelectField(
        "Time zone",
        [Offered("Choose a time zone from the list.")],
        choices=time_zones,
        validate_choice=False,
        description="Every time on these pages is written in it; mail names its time zone. Days in sums are UTC days.",
    )
