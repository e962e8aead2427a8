"""What *Test it now* found."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, Owned, new_id
from anuma_dash.gateway import schemas


class ControlTest(Owned, Base):
    """One test of a control. Its identifier is the form's token, so that sending a form twice tests once."""

    __tablename__ = "control_tests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    control: Mapped[str] = mapped_column(String(30))
    key_name: Mapped[str] = mapped_column(String(100))
    tested_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    tested_by_name: Mapped[str] = mapped_column(String(200))
    tested_at: Mapped[datetime]
    report: Mapped[dict[str, Any]] = mapped_column(JSON)

    @property
    def result(self) -> schemas.Canary:
        """The gateway's report, typed."""
        return schemas.Canary.model_validate(self.report)
