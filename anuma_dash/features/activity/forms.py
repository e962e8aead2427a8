"""The form that asks for an export."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from anuma_dash.db import id_of
from anuma_dash.features.activity.filters import NAMES


class ExportForm:
    """The format, the filters of the list as its address had them, and the form's token."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.format = fields.get("format", "")
        self.filters = {name: value[:200] for name in NAMES if (value := fields.get(name, "").strip())}
        self._token = fields.get("token", "")

    @property
    def token(self) -> UUID | None:
        """The form's token: sending the form twice exports once."""
        return id_of(self._token)
