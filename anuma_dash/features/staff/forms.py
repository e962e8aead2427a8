"""The forms of the staff section."""

from __future__ import annotations

import re

from wtforms import EmailField, Field, Form, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, InputRequired, Length, ValidationError

from anuma_dash.db import id_of
from anuma_dash.gateway.schemas import LAST_FOUR
from anuma_dash.identity import StaffRole
from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered

SEARCHES = (
    ("email", "E-mail address"),
    ("name", "Account name"),
    ("id", "Account ID"),
    ("key", "Last four of a key"),
)
SHORTEST_NAME = 3


class SearchForm(Form):
    """What staff look for, and by what."""

    by = SelectField(
        "Search by", [Offered("Choose what to search by.")], choices=lambda: list(SEARCHES), validate_choice=False
    )
    term = StringField(
        "Search for",
        [DataRequired("Enter what to look for."), Length(max=320, message="Use 320 characters at most.")],
        filters=[one_line],
    )

    def validate_term(self, field: Field) -> None:
        """Refuse what cannot be found by this kind of search."""
        term = field.data or ""
        if self.by.data == "email" and "@" not in term.strip("@"):
            raise ValidationError("Enter a whole e-mail address.")
        if self.by.data == "name" and len(term) < SHORTEST_NAME:
            raise ValidationError(f"Enter {SHORTEST_NAME} characters of the name or more.")
        if self.by.data == "id" and not id_of(term):
            raise ValidationError("An account ID has 32 digits and letters in five groups.")
        if self.by.data == "key" and not re.fullmatch(LAST_FOUR, term, re.ASCII):
            raise ValidationError("Enter the last four letters and digits of the key, no more of it.")


class NewRoleForm(Form):
    """Who becomes staff, and as what."""

    email = EmailField(
        "E-mail address",
        [DataRequired("Enter the person’s e-mail address."), Length(max=320, message="Use 320 characters at most.")],
        filters=[one_line],
        description="As their identity provider has verified it. They must have signed in once.",
    )
    role = RadioField(
        "Role",
        [InputRequired("Choose a role."), Offered("Choose a role.")],
        id="f-role-1",
        choices=lambda: [(role.value, role.value) for role in StaffRole],
        validate_choice=False,
    )
