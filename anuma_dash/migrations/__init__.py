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
LOCK = 0x616E756D61
"""The PostgreSQL advisory lock under which one process migrates and the others wait."""


class Outdated(DashboardError):
    """The database has another version's schema; names both versions."""


def check(database: Database) -> None:
    """Raise `Outdated` unless the database has exactly this version's schema."""
    wanted = ScriptDirectory(str(FOLDER)).get_current_head()
    with database.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise Outdated(f"The database has schema {found or 'none'}, this version wants {wanted}.")


def migrate(database_url: str) -> None:
    """Bring a database to this version's schema."""
    database = Database(database_url)
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
