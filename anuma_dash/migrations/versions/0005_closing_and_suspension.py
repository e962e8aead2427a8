"""closing an account, and suspension by staff"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("accounts") as batch_op:
        batch_op.add_column(sa.Column("closes_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("revision", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("gateway_status", sa.String(length=16), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("gateway_status_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "account_suspensions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        *_decision("account_suspensions"),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_suspensions_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_suspensions")),
    )
    with op.batch_alter_table("account_suspensions") as batch_op:
        batch_op.create_index(batch_op.f("ix_account_suspensions_account_id"), ["account_id"], unique=False)
    op.create_table(
        "person_suspensions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("sessions_ended", sa.Integer(), nullable=False),
        *_decision("person_suspensions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_person_suspensions_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person_suspensions")),
    )
    with op.batch_alter_table("person_suspensions") as batch_op:
        batch_op.create_index(batch_op.f("ix_person_suspensions_user_id"), ["user_id"], unique=False)
    op.create_table(
        "account_closings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure", sa.String(length=300), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=True),
        sa.Column("requested_by_name", sa.String(length=200), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deletion_id", sa.Uuid(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by_name", sa.String(length=200), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('requested', 'deleting', 'closed', 'undone')", name=op.f("ck_account_closings_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_account_closings_account_id_accounts")),
        sa.ForeignKeyConstraint(["requested_by"], ["users.id"], name=op.f("fk_account_closings_requested_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account_closings")),
    )
    with op.batch_alter_table("account_closings") as batch_op:
        for column in ("account_id", "due_at", "next_try_at"):
            batch_op.create_index(batch_op.f(f"ix_account_closings_{column}"), [column], unique=False)
    op.create_table(
        "organization_forms",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.Uuid(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_organization_forms_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_organization_forms_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_forms")),
        sa.UniqueConstraint("user_id", "token", name=op.f("uq_organization_forms_user_id_token")),
    )
    with op.batch_alter_table("organization_forms") as batch_op:
        batch_op.create_index(batch_op.f("ix_organization_forms_account_id"), ["account_id"], unique=False)


def _decision(table: str) -> list[sa.Column[Any] | sa.ForeignKeyConstraint]:
    return [
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("contest", sa.String(length=320), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("by_name", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by_id", sa.Uuid(), nullable=True),
        sa.Column("ended_by_name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f(f"fk_{table}_by_id_users")),
        sa.ForeignKeyConstraint(["ended_by_id"], ["users.id"], name=op.f(f"fk_{table}_ended_by_id_users")),
    ]
