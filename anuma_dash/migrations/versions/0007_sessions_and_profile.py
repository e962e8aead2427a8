"""what sessions and profiles need"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(sa.Column("language", sa.String(length=8), nullable=False, server_default="en-US"))
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.add_column(sa.Column("place", sa.String(length=2), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("set_back_seconds", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("ended_how", sa.String(length=16), nullable=True))
    with op.batch_alter_table("sign_in_identities") as batch_op:
        batch_op.alter_column("last_sign_in_at", existing_type=sa.DateTime(timezone=True), nullable=True)
