"""Keys that stopped with their account; an account's last change, and since when its state is obeyed."""

import sqlalchemy as sa
from alembic import op

from anuma_dash.embedded.gateway.tables import UtcTime

revision = "main_0004"
down_revision = "main_0003"


def upgrade() -> None:
    """Add the columns. Keys of accounts that are suspended or closed now are deactivated by it."""
    op.add_column("api_keys", sa.Column("deactivated_at", UtcTime(), nullable=True))
    op.add_column("accounts", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("accounts", sa.Column("status_since", UtcTime(), nullable=True))
    op.execute("UPDATE accounts SET status_since = updated_at")
    op.execute(
        "UPDATE api_keys SET deactivated_at = (SELECT updated_at FROM accounts WHERE accounts.id = api_keys.account_id)"
        " WHERE account_id IN (SELECT id FROM accounts WHERE status <> 'active')"
    )
