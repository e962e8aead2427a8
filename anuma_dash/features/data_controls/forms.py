"""The forms of the data controls."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from wtforms import BooleanField, Form, HiddenField

from anuma_dash.db import id_of
from anuma_dash.domain.controls import PERIODS


class AcceptForm(Form):
    """The wanted state, and for `on` the acceptance of one exact text."""

    state = HiddenField()
    sha256 = HiddenField()
    accepted = BooleanField("I have read this, and want it to be stored")

    @property
    def wanted(self) -> bool | None:
        """On or off; None if the form says neither."""
        return {"on": True, "off": False}.get(self.state.data or "")

    @property
    def accepted_sha256(self) -> str | None:
        """The hash of the text that was accepted; None without the tick."""
        return (self.sha256.data or "") if self.accepted.data else None

    def refuse(self, message: str) -> None:
        """Say beside the box what is missing. A text that has changed is not accepted yet, whatever was ticked."""
        self.accepted.errors = [message]
        self.accepted.data = False


class TestForm(Form):
    """Which key to test with."""

    __test__ = False

    key = HiddenField()
    control = HiddenField(default="prompt-logging")
    test = HiddenField()

    @property
    def token(self) -> UUID | None:
        """The form's own token: sending it twice tests once."""
        return id_of(self.test.data)

    @property
    def key_id(self) -> UUID | None:
        """The chosen key."""
        return id_of(self.key.data)


class PeriodForm(Form):
    """A period: a number of days, or `forever`."""

    days = HiddenField()

    @property
    def chosen(self) -> int | Literal["none"] | None:
        """The days, None for until deleted; "none" if no period of the list was chosen."""
        if self.days.data == "forever":
            return None
        return next((days for days in PERIODS if str(days) == self.days.data and days is not None), "none")
