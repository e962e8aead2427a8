"""The forms of invitations, of roles, and of what becomes of keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from wtforms import Form, HiddenField, RadioField, SelectField, StringField
from wtforms.validators import DataRequired, Length

from anuma_dash.db import id_of
from anuma_dash.features.people.departures import KeyWish
from anuma_dash.identity import Role, User
from anuma_dash.web.choices import Offered

REVOKE = "revoke"
CHOOSE_ROLE = "Choose one of these roles."
CHOOSE_FATE = "Choose what becomes of the keys."
EXCEPTION = "key-"
"""How the names of the fields of single keys begin."""


class InvitationForm(Form):
    """Whom to invite, as what."""

    email = StringField(
        "E-mail address",
        [
            DataRequired("Enter the address of the person you invite."),
            Length(max=254, message="Use 254 characters at most."),
        ],
        filters=[lambda text: (text or "").strip()],
        description="They must sign in with a provider that has verified this very address.",
    )
    role = RadioField("Role", [Offered(CHOOSE_ROLE)], id="f-role-1", validate_choice=False)

    def offer(self, roles: Iterable[Role]) -> None:
        """The roles that may be chosen."""
        self.role.choices = [(role.value, role.value.capitalize()) for role in roles]


class RoleForm(Form):
    """Another role; `expected` is the one that the page showed."""

    role = RadioField("Role", [Offered(CHOOSE_ROLE)], id="f-role-1", validate_choice=False)
    expected = HiddenField()

    def offer(self, roles: Iterable[Role]) -> None:
        """The roles that may be chosen."""
        self.role.choices = [(role.value, role.value.capitalize()) for role in roles]

    @property
    def expected_role(self) -> Role | None:
        """The role that the page showed; None if no page of ours did."""
        return next((role for role in Role if role.value == self.expected.data), None)


class KeysForm(Form):
    """What becomes of the keys of somebody who leaves: one choice for all, and one for some."""

    keys = SelectField("All keys", [Offered(CHOOSE_FATE)], validate_choice=False)
    expected = HiddenField()

    def offer(self, people: Iterable[User]) -> None:
        """To whom keys may be handed over."""
        self.keys.choices = [
            ("", "Choose"),
            (REVOKE, "Revoke them"),
            *((str(user.id), f"Hand them over to {user.name}") for user in people),
        ]

    def exception_choices(self) -> list[tuple[str, str]]:
        """The choices for a single key."""
        offered = [
            (str(value), str(label).replace("them", "it")) for value, label, *_ in self.keys.iter_choices() if value
        ]
        return [("", "As all keys"), *offered]

    def wish(self, fields: Mapping[str, str]) -> KeyWish | None:
        """What was chosen; `fields` is the whole form as sent. None if nothing was, or what is not offered."""
        offered = {value for value, *_ in self.keys.iter_choices()} - {""}
        chosen = {id_of(name[len(EXCEPTION) :]): value for name, value in fields.items() if name.startswith(EXCEPTION)}
        exceptions = {key: value for key, value in chosen.items() if key is not None and value}
        if self.keys.data not in offered or not set(exceptions.values()) <= offered:
            return None
        return KeyWish(_person(self.keys.data), {key: _person(value) for key, value in exceptions.items()})

    @property
    def expected_role(self) -> Role | None:
        """The role that the page showed; None if no page of ours did."""
        return next((role for role in Role if role.value == self.expected.data), None)


def _person(value: str) -> UUID | None:
    return None if value == REVOKE else UUID(value)
