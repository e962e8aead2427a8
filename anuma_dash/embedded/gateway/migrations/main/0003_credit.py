"""Credit and reservations."""

import sqlalchemy as sa
from alembic import op

from anuma_dash.embedded.gateway.tables import UtcTime

revision = "main_0003"
down_revision = "main_0002"


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "credits",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("available_micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("charged_micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("spent_micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("account_id"),
    )
    op.create_table(
        "reservations",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("micro_usd", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_reservations_account", "reservations", ["account_id"], unique=False)
