"""Data keys of more than requests."""

import sqlalchemy as sa
from alembic import op

revision = "keys_0003"
down_revision = "keys_0002"


def upgrade() -> None:
    """Say of each key what it is of; those that are there are of requests."""
    op.add_column("data_keys", sa.Column("kind", sa.String(20), nullable=False, server_default="request_content"))
