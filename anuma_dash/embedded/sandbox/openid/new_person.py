"""The form for signing in as somebody new."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from anuma_dash.embedded.sandbox.cast import Person, newcomer

NAME_LENGTH = 100
EMAIL_LENGTH = 254
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class NewPersonForm:
    """What was typed, and the errors by field name. Any name a person may have is fine, markup included."""

    name: str = ""
    email: str = ""
    email_verified: bool = True
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, posted: Mapping[str, str]) -> "NewPersonForm":
        """Read and check a posted form."""
        name = posted.get("name", "").strip()
        email = posted.get("email", "").strip()
        errors: dict[str, str] = {}
        if not name or len(name) > NAME_LENGTH or not name.isprintable():
            errors["name"] = f"Enter a name of 1 to {NAME_LENGTH} characters."
        if len(email) > EMAIL_LENGTH or not _EMAIL.fullmatch(email):
            errors["email"] = "Enter an e-mail address, like robin@robin.example."
        return cls(name, email, "email_verified" in posted, errors)

    def person(self) -> Person:
        """Return the person described; call it only without errors."""
        return newcomer(self.name, self.email, self.email_verified)
