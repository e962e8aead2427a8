"""The form that asks for a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

MOST_DIGITS = 9


class DeletionForm:
    """The category, the number that was shown ("" if it was not known), and the form's token."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.category = fields.get("category", "")
        self._count = fields.get("count", "")
        self._token = fields.get("token", "")

    @property
    def token(self) -> UUID | None:
        """The form's token: sending the form twice deletes once."""
        try:
            return UUID(self._token)
        except ValueError:
            return None

    @property
    def count(self) -> int | None:
        """How many items were shown; None if that was not known."""
        text = self._count
        return int(text) if len(text) <= MOST_DIGITS and text.isascii() and text.isdigit() else None
