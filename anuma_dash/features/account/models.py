"""Which organizations were made by sending a form: what makes sending it twice make one, and what the limits count."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from anuma_dash.db import Base, Owned, new_id


class OrganizationForm(Owned, Base):
    """A form that somebody sent, and the organization that came of it. A `token` counts for its sender alone."""

    __tablename__ = "organization_forms"
    __table_args__ = (UniqueConstraint("user_id", "token"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    token: Mapped[UUID]
    sent_at: Mapped[datetime]
