"""The dashboard's schema, version by version (Alembic)."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text

from anuma_dash.db import Database

FOLDER = Path(__file__).parent
LOCK = 0x616E756D61
"""The PostgreSQL advisory lock under which one process migrates and the others wait."""


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
