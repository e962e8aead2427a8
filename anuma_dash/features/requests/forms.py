"""The form of an evaluation."""

from __future__ import annotations

from math import isfinite

from wtforms import Field, Form, HiddenField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from anuma_dash.db import id_of
from anuma_dash.names import one_line, plain_lines

MOST_SCORE = 1_000_000


class EvaluationForm(Form):
    """A score under a name, with a comment; and the token that makes sending it twice store it once."""

    token = HiddenField("Form")
    name = StringField(
        "What is scored",
        [
            DataRequired("Say what the score is for, such as helpfulness."),
            Length(max=100, message="Use 100 characters at most."),
        ],
        filters=[one_line],
        description="Such as helpfulness or correct.",
    )
    score = StringField(
        "Score", [DataRequired("Enter a number.")], filters=[one_line], description="A number, such as 0.8 or 5."
    )
    comment = TextAreaField(
        "Comment", [Length(max=4000, message="Use 4,000 characters at most.")], filters=[plain_lines]
    )

    def validate_token(self, field: Field) -> None:
        """Refuse a token that no page of ours made."""
        if id_of(field.data) is None:
            raise ValidationError("This form is out of date. Send it again.")

    def validate_score(self, field: Field) -> None:
        """Refuse what the gateway would."""
        if self.number is None:
            raise ValidationError("Enter a number between -1,000,000 and 1,000,000.")

    @property
    def number(self) -> float | None:
        """The score; None if it is no number within the bounds."""
        try:
            found = float((self.score.data or "").strip())
        except ValueError:
            return None
        return found if isfinite(found) and abs(found) <= MOST_SCORE else None
