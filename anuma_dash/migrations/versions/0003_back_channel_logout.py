"""what a provider calls its sessions, and which of its logout tokens were used"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("sessions") as batch_op:
        batch_op.add_column(sa.Column("sid", sa.String(length=255), nullable=True))
        batch_op.create_index(batch_op.f("ix_sessions_sid"), ["sid"], unique=False)
    op.create_table(
        "used_logout_tokens",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("remember_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_used_logout_tokens")),
    )
    with op.batch_alter_table("used_logout_tokens") as batch_op:
        batch_op.create_index(batch_op.f("ix_used_logout_tokens_remember_until"), ["remember_until"], unique=False)
