"""Alembic migrations of the gateway's two databases, run at start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from ..settings import Settings
from ..stores import Store

_HERE = Path(__file__).parent
_ONE_AT_A_TIME = 7_021_640_815


class SchemaRefused(Exception):
    """A database's schema is not one that this gateway knows: it belongs to another version."""

    def __init__(self, database: str, found: str, known: str) -> None:
        super().__init__(f"the {database} database has schema {found}; this gateway knows up to {known}")


def migrate(settings: Settings) -> None:
    """Bring both databases to this version's schema. A newer schema than this version knows stops the start.

    Raises:
        SchemaRefused: the database was migrated by a newer gateway.
    """
    for name, url in (("main", settings.database_url), ("keys", settings.keys_database_url)):
        store = Store(name, url.get_secret_value())
        try:
            with store.write(durable=True) as connection:
                _upgrade(connection, name)
        finally:
            store.close()


def _upgrade(connection: Connection, name: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ONE_AT_A_TIME})
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(_HERE / name))
    config.attributes["connection"] = connection
    config.attributes["store"] = name
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        known = ScriptDirectory.from_config(config).get_current_head()
        found = connection.scalar(text("SELECT version_num FROM gateway_version"))
        raise SchemaRefused(name, str(found), str(known)) from error
