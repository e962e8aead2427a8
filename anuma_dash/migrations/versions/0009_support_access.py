"""support grants and support sessions"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "support_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("ticket", sa.String(length=60), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Uuid(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("kind IN ('grant', 'emergency')", name=op.f("ck_support_grants_kind")),
        sa.CheckConstraint("state IN ('asked', 'live', 'declined', 'ended')", name=op.f("ck_support_grants_state")),
        sa.CheckConstraint("hours BETWEEN 1 AND 72", name=op.f("ck_support_grants_hours")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_support_grants_account_id_accounts")),
        *(
            sa.ForeignKeyConstraint([column], ["users.id"], name=op.f(f"fk_support_grants_{column}_users"))
            for column in ("asked_by", "granted_by", "approved_by", "ended_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_grants")),
    )
    with op.batch_alter_table("support_grants") as batch_op:
        batch_op.create_index(batch_op.f("ix_support_grants_account_id"), ["account_id"], unique=False)
    _create_sessions()
    recorded = sa.text("support_session_id IS NOT NULL")
    op.create_index(
        "ix_audit_entries_support_session_id",
        "audit_entries",
        ["support_session_id", "number"],
        unique=False,
        sqlite_where=recorded,
        postgresql_where=recorded,
    )


def _create_sessions() -> None:
    op.create_table(
        "support_sessions",
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("staff_id", sa.Uuid(), nullable=False),
        sa.Column("staff_session_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("ticket", sa.String(length=60), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_why", sa.String(length=16), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_support_sessions_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["support_grants.id"], name=op.f("fk_support_sessions_grant_id_support_grants")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["users.id"], name=op.f("fk_support_sessions_staff_id_users")),
        sa.ForeignKeyConstraint(["ended_by"], ["users.id"], name=op.f("fk_support_sessions_ended_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_support_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_support_sessions_token_hash")),
    )
    live = sa.text("ended_at IS NULL")
    with op.batch_alter_table("support_sessions") as batch_op:
        for column in ("account_id", "grant_id", "next_try_at", "staff_id", "staff_session_id"):
            batch_op.create_index(batch_op.f(f"ix_support_sessions_{column}"), [column], unique=False)
        batch_op.create_index(
            "ix_support_sessions_live",
            ["grant_id", "staff_id"],
            unique=True,
            sqlite_where=live,
            postgresql_where=live,
        )
