"""Keys by their last four characters."""

from alembic import op

revision = "main_0005"
down_revision = "main_0004"


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_api_keys_last_four", "api_keys", ["last_four", "account_id"], unique=False)
