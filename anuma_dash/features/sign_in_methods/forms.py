"""The form of a new passkey."""

from __future__ import annotations

from wtforms import Form, StringField
from wtforms.validators import DataRequired, Length

from anuma_dash.names import one_line


class NewPasskeyForm(Form):
    """What the passkey is called."""

    name = StringField(
        "Name",
        [
            DataRequired("Enter a name by which you will know this passkey."),
            Length(max=60, message="Use 60 characters at most."),
        ],
        filters=[one_line],
        description="For instance where it is kept: “Laptop”, “Blue security key”.",
    )
