"""what an account says of itself, staff roles, mail to addresses that are nobody's here"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("accounts") as batch_op:
        batch_op.add_column(sa.Column("country", sa.String(length=2), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("contact_name", sa.String(length=200), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("contact_email", sa.String(length=320), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("admins_read_content", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("mails") as batch_op:
        batch_op.alter_column("user_id", existing_type=sa.Uuid(), nullable=True)
    op.create_table(
        "staff_members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_staff_members_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_members")),
        sa.UniqueConstraint("user_id", "role", name=op.f("uq_staff_members_user_id_role")),
    )
    with op.batch_alter_table("staff_members") as batch_op:
        batch_op.create_index(batch_op.f("ix_staff_members_user_id"), ["user_id"], unique=False)
