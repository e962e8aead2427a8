"""The connections to the two databases, as SQLAlchemy engines: SQLite or PostgreSQL."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import Connection, Engine, create_engine, event

_BUSY_SECONDS = 5.0
_POSTGRES_OPTIONS = "-c lock_timeout=10s -c timezone=UTC"
_CHECKPOINT_PAGES = 4000
"""SQLite moves its write-ahead log into the file when it is this long (16 MB); the fewer times, the fewer fsyncs."""


def postgres_engine(url: str, **options: Any) -> Engine:
    """An engine of a PostgreSQL database, in UTC, that waits ten seconds for a lock and no longer."""
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=8,
        connect_args={"connect_timeout": int(_BUSY_SECONDS), "options": _POSTGRES_OPTIONS},
        **options,
    )


def sqlite_engine(
    url: str,
    begin: Literal["DEFERRED", "IMMEDIATE"],
    synchronous: Literal["NORMAL", "FULL"],
    *,
    instant: bool = False,
    **options: Any,
) -> Engine:
    """An engine of a SQLite file: write-ahead log, foreign keys, deleted bytes overwritten.

    Args:
        begin: how its transactions begin; IMMEDIATE for those that write.
        synchronous: FULL for writes that survive a power cut.
        instant: nothing waits, neither for somebody else's write nor for the disk; `Store.move_into_file` is due then.
    """
    patience = {"timeout": 0.0 if instant else _BUSY_SECONDS}
    engine = create_engine(url, hide_parameters=True, pool_size=8, max_overflow=8, connect_args=patience, **options)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's "begin" event below starts transactions, not the driver
        for pragma in (
            "journal_mode=WAL",
            f"synchronous={synchronous}",
            f"wal_autocheckpoint={0 if instant else _CHECKPOINT_PAGES}",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine
