"""The dashboard's schema, version by version (Alembic)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from anuma_dash.db import Database
from anuma_dash.errors import DashboardError

FOLDER = Path(__file__).parent
SCRIPTS = ScriptDirectory(str(FOLDER))
LOCK = 0x616E756D61
"""The PostgreSQL advisory lock under which one process migrates and the others wait."""


class Outdated(DashboardError):
    """The database has another version's schema; names both versions, and what to do."""

    def __init__(self, found: str | None, wanted: str | None) -> None:
        known = found is None or found in {script.revision for script in SCRIPTS.walk_revisions()}
        advice = "Run: python -m anuma_dash migrate" if known else "A newer version made it: run that version."
        super().__init__(f"The database has schema {found or 'none'}, this version wants {wanted}. {advice}")
        self.newer = not known


def check(database: Database) -> None:
    """Raise `Outdated` unless the database has exactly this version's schema."""
    wanted = SCRIPTS.get_current_head()
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise Outdated(found, wanted)


def migrate(database_url: str) -> None:
    """Bring a database to this version's schema. Raises `Outdated` if a newer version has already migrated it."""
    database = Database(database_url)
    try:
        check(database)
    except Outdated as error:
        if error.newer:
            database.dispose()
            raise
    _upgrade(database)


def _upgrade(database: Database) -> None:
    try:
        with database.engine.connect() as connection:
            if not database.sqlite:
                connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
                connection.commit()
            config = Config()
            config.set_main_option("script_location", str(FOLDER))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
            if not database.sqlite:
                connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
                connection.commit()
    finally:
        database.dispose()
