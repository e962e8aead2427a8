"""a deletion may wait until a time, and be undone before"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("deletions") as batch_op:
        batch_op.add_column(sa.Column("execute_at", sa.DateTime(timezone=True), nullable=True))
