"""the app of a key that was asked for, and in which controls it is stricter from its first request"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("key_intents") as batch_op:
        batch_op.add_column(sa.Column("app_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("stricter", sa.JSON(), server_default="[]", nullable=False))
