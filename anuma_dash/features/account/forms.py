"""The forms of an account: what it says of itself, and the name typed to close it."""

from __future__ import annotations

from wtforms import EmailField, Field, Form, HiddenField, SelectField, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from anuma_dash.db import id_of
from anuma_dash.features.account.countries import COUNTRIES
from anuma_dash.mail import mailable
from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered

OUT_OF_DATE = "This form is out of date. Send it again."


class AccountForm(Form):
    """Name, country, billing contact."""

    name = StringField(
        "Name",
        [
            DataRequired("Give the account a name."),
            Length(max=200, message="Use 200 characters at most."),
        ],
        filters=[one_line],
    )
    country = SelectField(
        "Country",
        [Offered("Choose a country from the list.")],
        choices=lambda: [("", "Not said"), *COUNTRIES.items()],
        default="",
        validate_choice=False,
    )
    contact_name = StringField(
        "Billing contact",
        [Length(max=200, message="Use 200 characters at most.")],
        filters=[one_line],
    )
    contact_email = EmailField("Their e-mail address", filters=[one_line])

    def validate_contact_email(self, field: Field) -> None:
        """Refuse what no mail can be sent to."""
        if field.data and not mailable(field.data):
            raise ValidationError("This is not an e-mail address to which we can write.")


class EditForm(AccountForm):
    """What an account says of itself; `revision` is how the account stood when the form was opened."""

    revision = HiddenField("Form")

    def validate_revision(self, field: Field) -> None:
        """Refuse what no page of ours made."""
        if not (field.data or "").isascii() or not (field.data or "").isdigit() or len(field.data) > 9:
            raise ValidationError(OUT_OF_DATE)


class NewOrganizationForm(AccountForm):
    """A new organization; its token makes sending the form twice make one."""

    token = HiddenField("Form")

    def validate_token(self, field: Field) -> None:
        """Refuse a token that no page of ours made."""
        if id_of(field.data) is None:
            raise ValidationError(OUT_OF_DATE)


class ClosingForm(Form):
    """The account's name, typed to show that this one is meant."""

    name = StringField("The account's name", [DataRequired("Type the account's name to go on.")], filters=[one_line])
