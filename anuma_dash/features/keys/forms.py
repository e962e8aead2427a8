"""The form of a new key."""

from __future__ import annotations

from wtforms import Field, Form, HiddenField, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from anuma_dash.db import id_of
from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered

ENVIRONMENTS = (
    ("live", "Live", "Reaches every model of the gateway. Its use is metered."),
    ("test", "Test", "Reaches the built-in model anuma/echo only, and costs nothing."),
)
EXPIRIES = (("never", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In 365 days"))


class NewKeyForm(Form):
    """Name, environment, expiry; and the token that makes sending the form twice make one key."""

    token = HiddenField("Form")
    name = StringField(
        "Name",
        [
            DataRequired("Give the key a name that says where it is used."),
            Length(max=100, message="Use 100 characters at most."),
        ],
        filters=[one_line],
        description="Where it is used, such as ci or laptop. People in your account see it.",
    )
    environment = RadioField(
        "Environment",
        [InputRequired("Choose live or test."), Offered("Choose live or test.")],
        id="f-environment-1",
        choices=lambda: [(value, label) for value, label, _ in ENVIRONMENTS],
        default="live",
        validate_choice=False,
    )
    expiry = SelectField(
        "Expires",
        [Offered("Choose when the key expires from the list.")],
        choices=lambda: list(EXPIRIES),
        default="never",
        validate_choice=False,
    )

    def validate_token(self, field: Field) -> None:
        """Refuse a token that no page of ours made."""
        if id_of(field.data) is None:
            raise ValidationError("This form is out of date. Send it again.")

    @property
    def expires_in_days(self) -> int | None:
        """Days until the key expires; None for never."""
        return None if self.expiry.data == "never" else int(self.expiry.data)
