"""what the activity pages need: links to things, checks of the chain, exports, erasing after a time; harder triggers"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BATCH = 1000
KINDS = {"member": "person", "user": "person", "staff": "person", "gateway_request": "request"}
DURABLE = (
    ("attempt", sa.Integer(), False),
    ("failures", sa.Integer(), False),
    ("next_try_at", sa.DateTime(timezone=True), True),
    ("last_try_at", sa.DateTime(timezone=True), True),
    ("last_failure", sa.String(length=300), True),
)
APPEND_ONLY = "the audit log is append-only"


def upgrade() -> None:
    """Apply."""
    _index_entries()
    _create_objects()
    _create_checks()
    _create_exports()
    _create_erasures()
    _link_what_is_there()
    if op.get_bind().dialect.name == "sqlite":
        _protect_on_sqlite()
    else:
        _protect_on_postgresql()


def _durable() -> Iterator[sa.Column[Any]]:
    yield sa.Column("id", sa.Uuid(), nullable=False)
    for name, kind, nullable in DURABLE:
        yield sa.Column(name, kind, nullable=nullable)


def _index_entries() -> None:
    # No batch mode: it would rebuild the table, and lose its triggers.
    op.drop_index("ix_audit_entries_actor_id", "audit_entries")
    op.drop_index("ix_audit_entries_event", "audit_entries")
    order = ["at", "number"]
    op.create_index("ix_audit_entries_chain_at", "audit_entries", ["chain", *order])
    op.create_index("ix_audit_entries_chain_event", "audit_entries", ["chain", "event", *order])
    op.create_index("ix_audit_entries_actor", "audit_entries", ["actor_id", "chain", *order])
    op.create_index("ix_audit_entries_actor_event", "audit_entries", ["actor_id", "chain", "event", *order])
    staff = sa.text("actor_kind = 'staff'")
    op.create_index(
        "ix_audit_entries_staff", "audit_entries", ["chain", *order], sqlite_where=staff, postgresql_where=staff
    )


def _create_objects() -> None:
    op.create_table(
        "audit_objects",
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("chain", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entries.id"], name=op.f("fk_audit_objects_entry_id_audit_entries")
        ),
        sa.PrimaryKeyConstraint("kind", "object_id", "chain", "at", "number", name=op.f("pk_audit_objects")),
    )
    op.create_index(op.f("ix_audit_objects_entry_id"), "audit_objects", ["entry_id"])


def _create_checks() -> None:
    op.create_table(
        "chain_checks",
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("from_start", sa.Boolean(), nullable=False),
        sa.Column("verified_number", sa.Integer(), nullable=False),
        sa.Column("verified_hash", sa.String(length=64), nullable=False),
        sa.Column("verified_erased", sa.Integer(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("whole_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broken_at", sa.Integer(), nullable=True),
        sa.Column("broken_reason", sa.String(length=100), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        *_durable(),
        sa.CheckConstraint("state IN ('new', 'holds', 'broken')", name=op.f("ck_chain_checks_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_checks")),
    )
    op.create_index(op.f("ix_chain_checks_next_try_at"), "chain_checks", ["next_try_at"])
    op.create_index(op.f("ix_chain_checks_checked_at"), "chain_checks", ["checked_at"])


def _create_exports() -> None:
    op.create_table(
        "activity_exports",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("requested_by", sa.Uuid(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("filters", sa.JSON(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("own_only", sa.Boolean(), nullable=False),
        sa.Column("up_to", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("position", sa.String(length=40), nullable=False),
        sa.Column("rows_done", sa.Integer(), nullable=False),
        sa.Column("rows_known", sa.Integer(), nullable=True),
        sa.Column("chunks", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        *_durable(),
        sa.CheckConstraint("format IN ('csv', 'jsonl')", name=op.f("ck_activity_exports_format")),
        sa.CheckConstraint(
            "state IN ('preparing', 'ready', 'refused', 'destroyed')", name=op.f("ck_activity_exports_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_activity_exports_account_id_accounts")),
        sa.ForeignKeyConstraint(["requested_by"], ["users.id"], name=op.f("fk_activity_exports_requested_by_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_exports")),
    )
    for name in ("account_id", "next_try_at", "requested_by", "expires_at"):
        op.create_index(op.f(f"ix_activity_exports_{name}"), "activity_exports", [name])
    op.create_table(
        "activity_export_chunks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("vault_key_id", sa.String(length=40), nullable=True),
        sa.Column("wrapped_data_key", sa.LargeBinary(), nullable=True),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["export_id"], ["activity_exports.id"], name=op.f("fk_activity_export_chunks_export_id_activity_exports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_export_chunks")),
        sa.UniqueConstraint("export_id", "number", name=op.f("uq_activity_export_chunks_export_id_number")),
    )
    op.create_index(op.f("ix_activity_export_chunks_vault_key_id"), "activity_export_chunks", ["vault_key_id"])


def _create_erasures() -> None:
    op.create_table(
        "detail_expiries",
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erased", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        *_durable(),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detail_expiries")),
    )
    op.create_index(op.f("ix_detail_expiries_next_try_at"), "detail_expiries", ["next_try_at"])


def _link_what_is_there() -> None:
    # What entries were about stands in their details; those that were erased stay without.
    entries = sa.table(
        "audit_entries", *(sa.column(name, kind) for name, kind in (("id", sa.Uuid()), ("chain", sa.Uuid()))),
        sa.column("at", sa.DateTime(timezone=True)), sa.column("number", sa.Integer()),
    )  # fmt: skip
    details = sa.table("audit_details", sa.column("entry_id", sa.Uuid()), sa.column("body", sa.JSON()))
    objects = sa.table(
        "audit_objects", sa.column("kind"), sa.column("object_id"), sa.column("chain", sa.Uuid()),
        sa.column("at", sa.DateTime(timezone=True)), sa.column("number"), sa.column("entry_id", sa.Uuid()),
    )  # fmt: skip
    after, connection = UUID(int=0), op.get_bind()
    query = sa.select(entries, details.c.body).join(details, details.c.entry_id == entries.c.id)
    while rows := connection.execute(query.where(entries.c.id > after).order_by(entries.c.id).limit(BATCH)).all():
        after = rows[-1].id
        found = [
            {
                "kind": kind,
                "object_id": value,
                "chain": row.chain,
                "at": row.at,
                "number": row.number,
                "entry_id": row.id,
            }
            for row in rows
            for kind, value in sorted(_objects_of(row.body.get("fields", {})))
        ]
        if found:
            connection.execute(objects.insert(), found)


def _objects_of(fields: dict[str, Any]) -> set[tuple[str, str]]:
    named = {
        ("control" if name == "control" else KINDS.get(name[:-3], name[:-3]), value)
        for name, value in fields.items()
        if name == "control" or name.endswith("_id")
    }
    return {(kind, value) for kind, value in named if isinstance(value, str) and 0 < len(value) <= 64}


def _protect_on_sqlite() -> None:
    # INSERT OR REPLACE deletes without asking the triggers of DELETE.
    same = {
        "audit_entries": "SELECT 1 FROM audit_entries WHERE id = NEW.id OR (chain = NEW.chain AND number = NEW.number)",
        "audit_details": "SELECT 1 FROM audit_details WHERE entry_id = NEW.entry_id",
        "audit_heads": "SELECT 1 FROM audit_heads WHERE chain = NEW.chain",
    }
    for table, found in same.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN EXISTS ({found}) "
            f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        )
    op.execute(
        "CREATE TRIGGER audit_heads_forward BEFORE UPDATE ON audit_heads "
        f"WHEN {_BACKWARD} BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
    )
    for table, act in (("audit_heads", "DELETE"), ("audit_objects", "UPDATE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        )


def _protect_on_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_head_forward() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {_BACKWARD} THEN RAISE EXCEPTION '{APPEND_ONLY}'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_heads_forward BEFORE UPDATE ON audit_heads "
        "FOR EACH ROW EXECUTE FUNCTION audit_head_forward()"
    )
    for table, act in (("audit_heads", "DELETE"), ("audit_objects", "UPDATE")):
        op.execute(
            f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION audit_append_only()"
        )
    for table in ("audit_entries", "audit_details", "audit_heads"):
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()"
        )


_BACKWARD = (
    "NEW.chain <> OLD.chain OR NEW.number <= OLD.number OR NOT EXISTS (SELECT 1 FROM audit_entries AS entry "
    "WHERE entry.chain = NEW.chain AND entry.number = NEW.number AND entry.hash = NEW.hash)"
)
"""A head only moves on, to an entry that is there."""
