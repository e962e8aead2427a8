"""The forms of apps: a name, and for a new one the token that makes sending it twice make one app."""

from __future__ import annotations

from wtforms import Field, Form, HiddenField, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from anuma_dash.db import id_of
from anuma_dash.names import one_line


class AppForm(Form):
    """What an app is called."""

    name = StringField(
        "Name",
        [
            DataRequired("Give the app a name that says what its keys are for."),
            Length(max=100, message="Use 100 characters at most."),
        ],
        filters=[one_line],
        description="What its keys are for, such as Production or Research. People in your account see it.",
    )


class NewAppForm(AppForm):
    """A new app."""

    token = HiddenField("Form")

    def validate_token(self, field: Field) -> None:
        """Refuse a token that no page of ours made."""
        if id_of(field.data) is None:
            raise ValidationError("This form is out of date. Send it again.")
