"""The form that asks for a deletion."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from anuma_dash.db import id_of


class DeletionForm:
    """The category, the number that was shown as the page signed it, and the form's token."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.category = fields.get("category", "")
        self.shown = fields.get("shown", "")
        self._token = fields.get("token", "")

    @property
    def token(self) -> UUID | None:
        """The form's token: sending the form twice deletes once."""
        return id_of(self._token)
