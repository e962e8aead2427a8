"""Apps, what the other controls keep, its search, purges and legal holds; sums of content by category and owner."""

import sqlalchemy as sa
from alembic import op

from anuma_dash.embedded.gateway.identifiers import uuid7
from anuma_dash.embedded.gateway.tables import UtcTime

revision = "main_0006"
down_revision = "main_0005"

_DEFAULT_APP = "Default"


def upgrade() -> None:
    """Make the tables, give each account its app, and count its content anew."""
    _make_apps()
    op.add_column("requests", sa.Column("other_controls", sa.Text()))
    op.add_column("requests", sa.Column("conversation_id", sa.Uuid()))
    op.add_column("requests", sa.Column("memories_used", sa.Integer(), nullable=False, server_default="0"))
    _make_sums()
    _make_traces_and_evaluations()
    _make_conversations()
    _make_memories()
    _make_purges_and_holds()


def _make_apps() -> None:
    apps = op.create_table(
        "apps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_apps_account", "apps", ["account_id", "id"], unique=False)
    connection = op.get_bind()
    accounts = sa.table("accounts", sa.column("id", sa.Uuid()), sa.column("created_at", UtcTime()))
    rows = [
        {
            "id": uuid7(row.created_at),
            "account_id": row.id,
            "name": _DEFAULT_APP,
            "is_default": True,
            "is_active": True,
            "created_at": row.created_at,
        }
        for row in connection.execute(sa.select(accounts.c.id, accounts.c.created_at))
    ]
    if rows:
        connection.execute(apps.insert(), rows)
    op.add_column("api_keys", sa.Column("app_id", sa.Uuid()))
    op.add_column("api_keys", sa.Column("stricter", sa.Text(), nullable=False, server_default="[]"))
    op.execute("UPDATE api_keys SET app_id = (SELECT apps.id FROM apps WHERE apps.account_id = api_keys.account_id)")
    with op.batch_alter_table("api_keys") as table:
        table.alter_column("app_id", existing_type=sa.Uuid(), nullable=False)
        table.create_foreign_key("fk_api_keys_app", "apps", ["app_id"], ["id"])


def _make_sums() -> None:
    op.drop_table("content_days")
    op.create_table(
        "content_days",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("account_id", "category", "owner", "day"),
    )
    utc = "(c.created_at AT TIME ZONE 'UTC')" if op.get_bind().dialect.name == "postgresql" else "c.created_at"
    op.execute(
        "INSERT INTO content_days (account_id, category, owner, day, entries, bytes) "  # noqa: S608 - two fixed texts
        "SELECT c.account_id, 'request_content', coalesce(c.created_by, c.account_id), "
        f"date({utc}), count(*), sum(r.content_bytes) "
        "FROM request_contents c JOIN requests r ON r.id = c.request_id "
        f"GROUP BY c.account_id, coalesce(c.created_by, c.account_id), date({utc})"
    )


def _make_traces_and_evaluations() -> None:
    op.create_table(
        "traces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("provider", sa.String(100), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"], deferrable=True, initially="DEFERRED"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("request_id"),
    )
    op.create_index("ix_traces_account", "traces", ["account_id", "id"])
    op.create_index("ix_traces_time", "traces", ["account_id", "created_at"])
    op.create_table(
        "evaluations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("created_by", sa.Uuid()),
        sa.Column("person", sa.Uuid()),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["request_id"], ["requests.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_evaluations_account", "evaluations", ["account_id", "id"])
    op.create_index("ix_evaluations_time", "evaluations", ["account_id", "created_at"])
    op.create_index("ix_evaluations_request", "evaluations", ["request_id", "id"])


def _make_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("reference", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.Column("app_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("providers", sa.Text(), nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_conversations_reference", "conversations", ["account_id", "owner", "reference"], unique=True)
    op.create_index("ix_conversations_list", "conversations", ["account_id", "owner", "pinned", "updated_at", "id"])
    op.create_index("ix_conversations_time", "conversations", ["account_id", "updated_at"])
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid()),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.Uuid()),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_messages_conversation", "messages", ["conversation_id", "id"])
    op.create_index("ix_messages_parent", "messages", ["conversation_id", "parent_id"])
    op.create_index("ix_messages_digest", "messages", ["conversation_id", "digest"], unique=True)
    op.create_table(
        "search_terms",
        sa.Column("term", sa.LargeBinary(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("term", "conversation_id", "message_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_search_terms_conversation", "search_terms", ["conversation_id"])


def _make_memories() -> None:
    op.create_table(
        "memories",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("app_id", sa.Uuid()),
        sa.Column("key_id", sa.Uuid()),
        sa.Column("app_ids", sa.Text()),
        sa.Column("providers", sa.Text()),
        sa.Column("sent_to", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("last_used_at", UtcTime()),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_memories_owner", "memories", ["account_id", "owner", "id"])
    op.create_index("ix_memories_time", "memories", ["account_id", "updated_at"])


def _make_purges_and_holds() -> None:
    op.create_table(
        "purges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(20), nullable=False),
        sa.Column("started_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime()),
        sa.Column("cutoff", UtcTime(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_purges_owner", "purges", ["account_id", "owner", "id"])
    op.create_index("ix_purges_state", "purges", ["state"])
    op.create_table(
        "legal_holds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(20)),
        sa.Column("person", sa.Uuid()),
        sa.Column("arrived_from", UtcTime()),
        sa.Column("arrived_before", UtcTime()),
        sa.Column("placed_at", UtcTime(), nullable=False),
        sa.Column("released_at", UtcTime()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_legal_holds_account", "legal_holds", ["account_id"])
    op.create_table(
        "purge_schedule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcTime(), nullable=False),
        sa.Column("last_at", UtcTime()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.add_column("deletions", sa.Column("counts", sa.Text(), nullable=False, server_default="{}"))
    op.add_column("deletions", sa.Column("kept", sa.Text(), nullable=False, server_default="[]"))
