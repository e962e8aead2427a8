"""The forms of what staff may do to an account or to a person: each says why."""

from __future__ import annotations

from wtforms import BooleanField, EmailField, Form, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from anuma_dash.domain.suspensions import LONGEST_CONTEST, LONGEST_REASON, SHORTEST_REASON
from anuma_dash.names import one_line
from anuma_dash.web.choices import Offered

HOURS = ("1", "2", "4", "8", "24", "48", "72")
LONGEST_WHY = 500
LONGEST_TICKET = 60


def _why(description: str) -> TextAreaField:
    return TextAreaField(
        "Reason",
        [DataRequired("Say why."), Length(max=LONGEST_WHY, message=f"Use {LONGEST_WHY} characters at most.")],
        filters=[one_line],
        description=description,
        render_kw={"rows": 3},
    )


def _ticket() -> StringField:
    return StringField(
        "Ticket",
        [
            DataRequired("Enter the number of the ticket."),
            Length(max=LONGEST_TICKET, message=f"Use {LONGEST_TICKET} characters at most."),
        ],
        filters=[one_line],
    )


def _suspension_reason(description: str) -> TextAreaField:
    message = f"Give a reason of {SHORTEST_REASON} to {LONGEST_REASON:,} characters."
    return TextAreaField(
        "Reason",
        [DataRequired(message), Length(min=SHORTEST_REASON, max=LONGEST_REASON, message=message)],
        filters=[one_line],
        description=description,
        render_kw={"rows": 4},
    )


class ConfirmForm(Form):
    """Nothing to fill in: what will happen stands above the button."""


class AccessForm(Form):
    """What a member of staff asks the customer to let them see, for how long, and why."""

    content = BooleanField("Also stored prompts and responses")
    billing = BooleanField("Also costs and billing")
    hours = SelectField(
        "For how long",
        [Offered("Choose for how long from the list.")],
        choices=lambda: [(one, "1 hour" if one == "1" else f"{one} hours") for one in HOURS],
        default="4",
        validate_choice=False,
        description="From the moment the customer approves. They can end it at any time.",
    )
    reason = _why("The customer reads it, in the mail and on their page.")
    ticket = _ticket()

    @property
    def scopes(self) -> list[str]:
        """What is asked for beside metadata."""
        return [name for name in ("content", "billing") if self[name].data]


class ReasonForm(Form):
    """Why, and under which ticket."""

    reason = _why("The customer reads it.")
    ticket = _ticket()


class SuspensionForm(Form):
    """Why an account is suspended, and where the customer writes against it."""

    reason = _suspension_reason("The customer reads it word for word.")
    contest = EmailField(
        "Where to contest it",
        [
            DataRequired("Give the e-mail address to which the customer can write."),
            Length(max=LONGEST_CONTEST, message=f"Use {LONGEST_CONTEST} characters at most."),
        ],
        filters=[one_line],
        description="An e-mail address that somebody reads.",
    )


class PersonSuspensionForm(Form):
    """Whom to suspend, and why."""

    email = EmailField(
        "E-mail address",
        [DataRequired("Enter the person’s e-mail address."), Length(max=320, message="Use 320 characters at most.")],
        filters=[one_line],
        description="As their identity provider has verified it.",
    )
    reason = _suspension_reason("It is mailed to the person.")


class RecoveryForm(Form):
    """Who is to become an owner, and why."""

    new_owner_email = EmailField(
        "E-mail address of the new owner",
        [
            DataRequired("Enter the e-mail address of the person who is to become an owner."),
            Length(max=254, message="Use 254 characters at most."),
        ],
        filters=[one_line],
        description="They become an owner when they have signed in with this address, verified by their provider.",
    )
    reason = _why("Owners, admins and contacts of the account read it.")
    ticket = _ticket()
