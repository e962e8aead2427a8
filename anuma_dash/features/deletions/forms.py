"""The form that asks for a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID


class DeletionForm:
    """The category, the number that was shown as the page signed it, and the form's token."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.category = fields.get("category", "")
        self.shown = fields.get("shown", "")
        self._token = fields.get("token", "")

    @property
    def token(self) -> UUID | None:
        """The form's token: sending the form twice deletes once."""
        try:
            return UUID(self._token)
        except ValueError:
            return None
