"""Up to where the main database knows what the journal holds."""

import sqlalchemy as sa
from alembic import op

revision = "main_0002"
down_revision = "main_0001"


def upgrade() -> None:
    """Make the table; the gateway fills it when it begins the journal."""
    op.create_table(
        "journal_position",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("journal", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
