"""controls at every level: whole states with apps, keys and people, what a change changes, accepted newer texts"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_CHANGES = sa.table(
    "control_changes",
    sa.column("id", sa.Uuid()),
    sa.column("enabled", sa.Boolean()),
    sa.column("old_enabled", sa.Boolean()),
    sa.column("state", sa.JSON()),
    sa.column("old_value", sa.String()),
    sa.column("new_value", sa.String()),
)


def upgrade() -> None:
    """Apply. The body that is sent for an old epoch keeps its meaning: what it did not name has its default."""
    with op.batch_alter_table("control_changes") as batch_op:
        batch_op.add_column(sa.Column("level", sa.String(length=10), nullable=False, server_default="account"))
        batch_op.add_column(sa.Column("target_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("target_name", sa.String(length=100), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("aspect", sa.String(length=10), nullable=False, server_default="switch"))
        batch_op.add_column(sa.Column("old_value", sa.String(length=30), nullable=False, server_default="off"))
        batch_op.add_column(sa.Column("new_value", sa.String(length=30), nullable=False, server_default="off"))
    connection = op.get_bind()
    for row in connection.execute(sa.select(_CHANGES)).all():
        state = json.loads(row.state) if isinstance(row.state, str) else row.state
        controls = {name: {**setting, "people": "own_choice"} for name, setting in state.items()}
        connection.execute(
            _CHANGES.update()
            .where(_CHANGES.c.id == row.id)
            .values(
                state={"controls": controls, "apps": {}, "keys": {}, "people": {}},
                old_value="on" if row.old_enabled else "off",
                new_value="on" if row.enabled else "off",
            )
        )
    with op.batch_alter_table("control_changes") as batch_op:
        for name in ("level", "target_name", "aspect", "old_value", "new_value"):
            batch_op.alter_column(name, server_default=None)
    op.create_table(
        "disclosure_acceptances",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("control", sa.String(length=30), nullable=False),
        sa.Column("level", sa.String(length=10), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("disclosure_version", sa.Integer(), nullable=False),
        sa.Column("disclosure_sha256", sa.String(length=64), nullable=False),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("accepted_by_name", sa.String(length=200), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["users.id"], name=op.f("fk_disclosure_acceptances_accepted_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_disclosure_acceptances_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosure_acceptances")),
    )
    op.create_index(
        op.f("ix_disclosure_acceptances_account_id"), "disclosure_acceptances", ["account_id"], unique=False
    )
