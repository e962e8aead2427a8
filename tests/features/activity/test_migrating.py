"""Entries from before there were links to things: they are found by what they are about, and still verify."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, text

from anuma_dash import features
from anuma_dash.audit import SYSTEM_CHAIN, AuditDetail, AuditEntry, AuditObject, Event, record, verify
from anuma_dash.db import Base, Database
from anuma_dash.identity import OPERATOR
from anuma_dash.migrations import FOLDER
from anuma_dash.workflows import utc_now

TABLES = {"audit_objects", "audit_entries", "chain_checks", "activity_exports", "activity_export_chunks"}


@pytest.fixture
def engine():
    """A database of its own is cheap here only."""
    return "sqlite"


def upgrade(db: Database, revision: str) -> None:
    with db.engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def test_old_entries_are_linked_and_the_chain_holds(tmp_path):
    db = Database(f"sqlite:///{tmp_path / 'old.sqlite'}")
    upgrade(db, "0007")
    with db.transaction() as tx:
        tx.execute(text("CREATE TABLE audit_objects (kind, object_id, chain, at, number, entry_id)"))
        for number in range(3):
            fields = {"name": "p", "passkey_id": f"p{number}"}
            record(tx, OPERATOR, Event.PASSKEY_ADDED, at=utc_now(), account_id=None, **fields)
        entry = tx.query(AuditEntry).filter_by(number=2).one()
        tx.execute(delete(AuditDetail).where(AuditDetail.entry_id == entry.id))
        tx.execute(text("DROP TABLE audit_objects"))
    upgrade(db, "head")
    with db.reading() as tx:
        found = tx.query(AuditObject).order_by(AuditObject.number).all()
        assert [(one.kind, one.object_id, one.number) for one in found] == [("passkey", "p0", 1), ("passkey", "p2", 3)]
        assert verify(tx, SYSTEM_CHAIN).broken_at is None
    with db.transaction() as tx:
        record(tx, OPERATOR, Event.PASSKEY_ADDED, at=utc_now(), account_id=None, name="p", passkey_id="p3")
    db.dispose()


def test_the_schema_is_what_the_models_say(world):
    features.load_models()
    with world.db.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata)
    assert [one for one in found if TABLES & {getattr(part, "name", "") for part in one if hasattr(part, "name")}] == []
