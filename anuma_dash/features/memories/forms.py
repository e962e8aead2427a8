"""The form of a memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from uuid import UUID

from wtforms import Field, Form, HiddenField, RadioField, SelectMultipleField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from anuma_dash.db import id_of
from anuma_dash.gateway import schemas
from anuma_dash.names import plain_lines
from anuma_dash.web.choices import Offered

BUILT_IN = "anuma"
"""The provider of the built-in model: the one that every gateway has, so the one that can be offered by name."""


def _names(text: object) -> list[str] | None:
    """The providers that a choice names as JSON; None if it names none so."""
    try:
        found = json.loads(text) if isinstance(text, str) and text.startswith("[") else None
    except ValueError:
        return None
    known = isinstance(found, list) and all(isinstance(one, str) and 0 < len(one) <= 100 for one in found)
    return found if known else None


class MemoryForm(Form):
    """The text, which apps may use it, which providers may receive it; and the token of a new one."""

    token = HiddenField("Form")
    text = TextAreaField(
        "Memory",
        [
            DataRequired("Write what models should be told."),
            Length(max=4000, message="Use 4,000 characters at most."),
        ],
        filters=[plain_lines],
        description="One fact, in plain words: I write Python, and answer in short sentences.",
    )
    apps = RadioField("Apps that may use it", [Offered("Choose one of these.")], validate_choice=False, default="all")
    chosen = SelectMultipleField(
        "These apps",
        choices=[],
        option_widget=CheckboxInput(),
        widget=ListWidget(prefix_label=False),
        validate_choice=False,
    )
    providers = RadioField(
        "Providers that may receive it", [Offered("Choose one of these.")], validate_choice=False, default="all"
    )

    def offer(self, apps: Iterable[schemas.App]) -> None:
        """The apps and the providers that may be chosen; what the memory names beside them can stay."""
        choices = [(str(app.id), app.name) for app in apps]
        listed = {value for value, _ in choices}
        for one in self.chosen.data or []:
            if one not in listed and id_of(one) is not None:
                choices.append((one, f"App {one[:8]}…"))
        self.chosen.choices = choices
        self.apps.choices = [("all", "Every app of the account"), ("some", "Only these")]
        providers = [("all", "Any provider"), (BUILT_IN, "Only the built-in model, inside Anuma")]
        named = _names(self.providers.data)
        if named is not None:
            providers.append((self.providers.data, f"As it is: {', '.join(named) or 'none'}"))
        self.providers.choices = providers

    def show(self, memory: schemas.Memory) -> None:
        """Fill in what the memory is now."""
        self.text.data = memory.text
        self.apps.data = "all" if memory.app_ids is None else "some"
        self.chosen.data = [str(one) for one in memory.app_ids or []]
        self.providers.data = "all" if memory.providers is None else json.dumps(memory.providers)
        if memory.providers == [BUILT_IN]:
            self.providers.data = BUILT_IN

    def validate_chosen(self, field: Field) -> None:
        """Refuse no app at all, and what is no app of the list."""
        if self.apps.data != "some":
            return
        if not field.data:
            raise ValidationError("Tick at least one app, or let every app use it.")
        if any(id_of(one) is None for one in field.data):
            raise ValidationError("Tick only what the list offers.")

    @property
    def app_ids(self) -> list[UUID] | None:
        """The apps that may use it; None for every one."""
        return None if self.apps.data == "all" else [UUID(one) for one in self.chosen.data or []]

    @property
    def provider_names(self) -> list[str] | None:
        """The providers that may receive it; None for any."""
        return [BUILT_IN] if self.providers.data == BUILT_IN else _names(self.providers.data)

    @property
    def token_id(self) -> UUID | None:
        """The form's token; None if no page of ours made it."""
        return id_of(self.token.data)
