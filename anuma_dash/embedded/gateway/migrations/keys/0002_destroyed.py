"""The deletions whose data keys this database has destroyed."""

import sqlalchemy as sa
from alembic import op

from anuma_dash.embedded.gateway.tables import UtcTime

revision = "keys_0002"
down_revision = "keys_0001"


def upgrade() -> None:
    """Make the table; the gateway fills it when it begins the journal."""
    op.create_table(
        "destroyed_deletions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
