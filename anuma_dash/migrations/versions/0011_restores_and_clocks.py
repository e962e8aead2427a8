"""members who wait to be confirmed after a restored backup, and a witness for each host's clock"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("memberships") as batch_op:
        batch_op.add_column(sa.Column("on_hold_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "clock_marks",
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("host", name=op.f("pk_clock_marks")),
    )
