"""The first schema of the keys database."""

import sqlalchemy as sa
from alembic import op

from anuma_dash.embedded.gateway.tables import UtcTime

revision = "keys_0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "data_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kek_id", sa.String(length=64), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "scratch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("planted", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
