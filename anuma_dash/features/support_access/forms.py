"""The forms of support access: what staff may see, for how long."""

from __future__ import annotations

from collections.abc import Sequence

from wtforms import Field, Form, SelectMultipleField, StringField
from wtforms.validators import DataRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget, NumberInput

from anuma_dash.domain.support import MOST_HOURS
from anuma_dash.names import one_line

EXTRA_SCOPES = (("content", "Stored prompts and responses"), ("billing", "Costs, balance and billing"))
METADATA_HELP = (
    "Metadata is always part of it: keys without their last characters, requests without their text, settings, and the "
    "activity with the names in it."
)


class AccessForm(Form):
    """What staff may see beside metadata, and for how many hours."""

    most_hours = MOST_HOURS
    scopes = SelectMultipleField(
        "They may also see",
        choices=lambda: list(EXTRA_SCOPES),
        validate_choice=False,
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
        description=METADATA_HELP,
    )
    hours = StringField(
        "For how many hours",
        [DataRequired("Enter the number of hours.")],
        default="24",
        widget=NumberInput(min=1, max=MOST_HOURS),
    )

    def validate_scopes(self, field: SelectMultipleField) -> None:
        """Refuse what the form does not offer."""
        if not set(field.data or ()) <= {value for value, *_ in field.iter_choices()}:
            raise ValidationError("Choose what they may see from the list.")

    def validate_hours(self, field: Field) -> None:
        """Refuse what is no number of hours that may be granted."""
        text = (field.data or "").strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= self.most_hours):
            raise ValidationError(f"Enter a whole number from 1 to {self.most_hours}.")

    @property
    def chosen_hours(self) -> int:
        """The hours. Only of a form that is valid."""
        return int(self.hours.data or "0")


class GrantForm(AccessForm):
    """Access that the customer gives without being asked; the ticket is of use to support, and may be left out."""

    ticket = StringField(
        "Ticket",
        [Length(max=60, message="Use 60 characters at most.")],
        filters=[one_line],
        description="If you wrote to support about it, the number they gave you.",
    )


def approval_form(fields: object, scopes: Sequence[str], hours: int) -> AccessForm:
    """The form that answers a question: it offers what was asked for, or less."""
    form = AccessForm(fields, data={"scopes": list(scopes), "hours": str(hours)})  # type: ignore[arg-type]
    form.scopes.choices = [choice for choice in EXTRA_SCOPES if choice[0] in scopes]
    form.most_hours = hours
    form.hours.widget = NumberInput(min=1, max=hours)
    return form
