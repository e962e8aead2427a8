"""invitations, departures and their keys, owner recovery, who is told that a control was switched on"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    _invitations()
    _invitation_mails()
    _departures()
    _departure_keys()
    _owner_recoveries()
    _owner_recovery_approvals()
    _control_notices()


def _invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=False),
        sa.Column("invited_by_name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'accepted', 'revoked')", name=op.f("ck_invitations_state")),
        sa.ForeignKeyConstraint(["accepted_by"], ["users.id"], name=op.f("fk_invitations_accepted_by_users")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_invitations_account_id_accounts")),
        sa.ForeignKeyConstraint(["invited_by"], ["users.id"], name=op.f("fk_invitations_invited_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    with op.batch_alter_table("invitations") as batch_op:
        batch_op.create_index(batch_op.f("ix_invitations_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitations_email"), ["email"], unique=False)


def _invitation_mails() -> None:
    op.create_table(
        "invitation_mails",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("mail_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_invitation_mails_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["invitation_id"], ["invitations.id"], name=op.f("fk_invitation_mails_invitation_id_invitations")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation_mails")),
    )
    with op.batch_alter_table("invitation_mails") as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_mails_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_mails_email"), ["email"], unique=False)
        batch_op.create_index(batch_op.f("ix_invitation_mails_invitation_id"), ["invitation_id"], unique=False)


def _departures() -> None:
    op.create_table(
        "departures",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("user_name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_by_name", sa.String(length=200), nullable=False),
        sa.Column("departed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fate", sa.String(length=16), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=True),
        sa.Column("exceptions", sa.JSON(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure", sa.String(length=300), nullable=True),
        sa.CheckConstraint("fate IN ('revoke', 'hand_over')", name=op.f("ck_departures_fate")),
        sa.CheckConstraint("kind IN ('removed', 'left')", name=op.f("ck_departures_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_departures_account_id_accounts")),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_departures_asked_by_users")),
        sa.ForeignKeyConstraint(["recipient_id"], ["users.id"], name=op.f("fk_departures_recipient_id_users")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_departures_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departures")),
    )
    with op.batch_alter_table("departures") as batch_op:
        batch_op.create_index(batch_op.f("ix_departures_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_departures_next_try_at"), ["next_try_at"], unique=False)


def _departure_keys() -> None:
    op.create_table(
        "departure_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("departure_id", sa.Uuid(), nullable=False),
        sa.Column("key_id", sa.Uuid(), nullable=False),
        sa.Column("key_name", sa.String(length=200), nullable=False),
        sa.Column("key_last_four", sa.String(length=8), nullable=False),
        sa.Column("fate", sa.String(length=16), nullable=False),
        sa.Column("recipient_id", sa.Uuid(), nullable=True),
        sa.Column("recipient_name", sa.String(length=200), nullable=False),
        sa.Column("note", sa.String(length=300), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_departure_keys_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["departure_id"], ["departures.id"], name=op.f("fk_departure_keys_departure_id_departures")
        ),
        sa.ForeignKeyConstraint(["recipient_id"], ["users.id"], name=op.f("fk_departure_keys_recipient_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_departure_keys")),
        sa.UniqueConstraint("departure_id", "key_id", name=op.f("uq_departure_keys_departure_id_key_id")),
    )
    with op.batch_alter_table("departure_keys") as batch_op:
        batch_op.create_index(batch_op.f("ix_departure_keys_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_departure_keys_departure_id"), ["departure_id"], unique=False)


def _owner_recoveries() -> None:
    op.create_table(
        "owner_recoveries",
        sa.Column("new_owner_email", sa.String(length=320), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("ticket", sa.String(length=60), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=False),
        sa.Column("asked_by_name", sa.String(length=200), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by_name", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=300), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_failure", sa.String(length=300), nullable=True),
        sa.CheckConstraint(
            "state IN ('asked', 'scheduled', 'done', 'stopped', 'failed')", name=op.f("ck_owner_recoveries_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_owner_recoveries_account_id_accounts")),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_owner_recoveries_asked_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owner_recoveries")),
    )
    with op.batch_alter_table("owner_recoveries") as batch_op:
        batch_op.create_index(batch_op.f("ix_owner_recoveries_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_owner_recoveries_next_try_at"), ["next_try_at"], unique=False)


def _owner_recovery_approvals() -> None:
    op.create_table(
        "owner_recovery_approvals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recovery_id", sa.Uuid(), nullable=False),
        sa.Column("approved_by", sa.Uuid(), nullable=False),
        sa.Column("approved_by_name", sa.String(length=200), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_owner_recovery_approvals_approved_by_users")
        ),
        sa.ForeignKeyConstraint(
            ["recovery_id"],
            ["owner_recoveries.id"],
            name=op.f("fk_owner_recovery_approvals_recovery_id_owner_recoveries"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_owner_recovery_approvals")),
        sa.UniqueConstraint(
            "recovery_id", "approved_by", name=op.f("uq_owner_recovery_approvals_recovery_id_approved_by")
        ),
    )
    with op.batch_alter_table("owner_recovery_approvals") as batch_op:
        batch_op.create_index(batch_op.f("ix_owner_recovery_approvals_recovery_id"), ["recovery_id"], unique=False)


def _control_notices() -> None:
    op.create_table(
        "control_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("control", sa.String(length=30), nullable=False),
        sa.Column("switched_on_by", sa.String(length=200), nullable=False),
        sa.Column("in_effect_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dismissed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_control_notices_account_id_accounts")),
        sa.ForeignKeyConstraint(
            ["change_id"], ["control_changes.id"], name=op.f("fk_control_notices_change_id_control_changes")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_control_notices_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_control_notices")),
        sa.UniqueConstraint("change_id", "user_id", name=op.f("uq_control_notices_change_id_user_id")),
    )
    with op.batch_alter_table("control_notices") as batch_op:
        batch_op.create_index(batch_op.f("ix_control_notices_account_id"), ["account_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_control_notices_user_id"), ["user_id"], unique=False)
