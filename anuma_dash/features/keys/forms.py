"""The form of a new key."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from wtforms import Field, Form, HiddenField, RadioField, SelectField, SelectMultipleField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from anuma_dash.db import id_of
from anuma_dash.domain.controls.names import CONTROL_NAMES, control_label
from anuma_dash.gateway import schemas
from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered

ENVIRONMENTS = (
    ("live", "Live", "Reaches every model of the gateway. Its use is metered."),
    ("test", "Test", "Reaches the built-in model anuma/echo only, and costs nothing."),
)
EXPIRIES = (("never", "Never"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In 365 days"))


class NewKeyForm(Form):
    """Name, app, environment, expiry, what is never stored; and the token by which the form makes one key."""

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

    app = SelectField("App", choices=[], validate_choice=False)
    stricter = SelectMultipleField(
        "Stricter data controls for this key",
        choices=lambda: [(name, control_label(name)) for name in CONTROL_NAMES],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
        description="What is ticked is never stored of this key's requests, from the first one on, "
        "even while the account or the app stores it.",
        validate_choice=False,
    )

    def offer(self, apps: Iterable[schemas.App]) -> None:
        """The apps that may be chosen, the default one first."""
        self.app.choices = [(str(app.id), app.name) for app in apps]

    def validate_app(self, field: Field) -> None:
        """Refuse what is no identifier; whether there is such an app the gateway says."""
        if field.data and id_of(field.data) is None:
            raise ValidationError("Choose an app from the list.")

    def validate_stricter(self, field: Field) -> None:
        """Refuse what is no control."""
        if not set(field.data or ()) <= set(CONTROL_NAMES):
            raise ValidationError("Tick only what the list offers.")

    @property
    def wanted_app(self) -> UUID | None:
        """The app that was chosen; None for the default one."""
        return id_of(self.app.data)

    def validate_token(self, field: Field) -> None:
        """Refuse a token that no page of ours made."""
        if id_of(field.data) is None:
            raise ValidationError("This form is out of date. Send it again.")

    @property
    def expires_in_days(self) -> int | None:
        """Days until the key expires; None for never."""
        return None if self.expiry.data == "never" else int(self.expiry.data)
