"""Save and restore the stores of dashboard and embedded gateway, on SQLite and PostgreSQL.

    python deploy/stores.py save --data FOLDER --keys FOLDER
    python deploy/stores.py restore --data FOLDER --keys FOLDER --at 20261122T023000Z

Both read where the stores are from the same environment as the processes. Nothing is ever overwritten: a restore wants
databases that are not there yet (SQLite) or empty (PostgreSQL).
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import URL, make_url

# A key that was destroyed must be gone from its backups within seven days, and the next run may be a day away.
KEYS_KEPT = timedelta(days=6)
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Store:
    """One database: its name in file names, the variable that says where it is, its file in development."""

    name: str
    variable: str
    file: str
    folder: str

    def url(self) -> URL:
        """Where it is, as the processes find it."""
        text, file = os.environ.get(self.variable, ""), os.environ.get(f"{self.variable}_FILE", "")
        if not text and file:
            text = Path(file).read_text().strip()
        return make_url(text or f"sqlite:///{Path(os.environ.get('ANUMA_INSTANCE', 'instance')) / self.file}")


# In the order of saving: a row of the gateway is saved before its data key, so no saved content lacks its key; and the
# dashboard comes last, so it knows of every deletion and control that a saved gateway knows of.
STORES = (
    Store("gateway", "ANUMA_GATEWAY_DATABASE_URL", "gateway.sqlite", "data"),
    Store("gateway-keys", "ANUMA_GATEWAY_KEYS_DATABASE_URL", "gateway-keys.sqlite", "keys"),
    Store("dashboard", "ANUMA_DATABASE_URL", "dashboard.sqlite", "data"),
)


class Refused(Exception):
    """It was not done, and nothing was changed; says why."""


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(description="Save and restore the stores.")
    parser.add_argument("command", choices=("save", "restore"))
    parser.add_argument("--data", type=Path, required=True, help="folder of the dashboard's and the gateway's data")
    parser.add_argument("--keys", type=Path, required=True, help="another folder, kept apart, for the data keys")
    parser.add_argument("--at", help="which backup to restore: the time that begins its file names")
    given = parser.parse_args(arguments)
    folders = {"data": given.data, "keys": given.keys}
    os.umask(0o077)
    try:
        if given.data.resolve() == given.keys.resolve():
            raise Refused("the two folders must not be the same: together they are a copy in clear")
        save(folders) if given.command == "save" else restore(folders, given.at or "")
    except (Refused, OSError, sqlite3.Error) as error:
        print(f"not done: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"not done: {error.cmd[0]} ended with {error.returncode}", file=sys.stderr)
        return 1
    return 0


def save(folders: dict[str, Path]) -> None:
    """Save every store, and let go of backups of the data keys that are too old."""
    now = datetime.now(UTC)
    for folder in folders.values():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for store in STORES:
        target = _path(folders, store, now.strftime(STAMP))
        part = target.with_suffix(".part")
        _save_sqlite(store.url(), part) if _is_sqlite(store) else _postgres("pg_dump", store.url(), "--file", str(part))
        part.rename(target)
    for old in folders["keys"].glob("*-gateway-keys.*"):
        if datetime.strptime(old.name.partition("-")[0], STAMP).replace(tzinfo=UTC) < now - KEYS_KEPT:
            old.unlink()
    print(now.strftime(STAMP))


def restore(folders: dict[str, Path], stamp: str) -> None:
    """Put every store back from one backup, into places that are empty."""
    for store in STORES:
        if not _path(folders, store, stamp).is_file():
            raise Refused(f"there is no {_path(folders, store, stamp)}")
        if not _is_empty(store):
            raise Refused(f"{store.url().render_as_string()} is not empty")
    for store in STORES:
        source, url = _path(folders, store, stamp), store.url()
        if _is_sqlite(store):
            _save_sqlite(make_url(f"sqlite:///{source}"), Path(url.database or ""))
        else:
            _postgres("pg_restore", url, "--no-owner", "--exit-on-error", "--single-transaction", str(source))


def _path(folders: dict[str, Path], store: Store, stamp: str) -> Path:
    return folders[store.folder] / f"{stamp}-{store.name}.{'sqlite' if _is_sqlite(store) else 'dump'}"


def _is_sqlite(store: Store) -> bool:
    return store.url().get_backend_name() == "sqlite"


def _save_sqlite(url: URL, target: Path) -> None:
    # Through SQLite, not by copying the file: part of the data is in the write-ahead log.
    with (
        closing(sqlite3.connect(f"file:{url.database}?mode=rw", uri=True)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)


def _is_empty(store: Store) -> bool:
    url = store.url()
    if _is_sqlite(store):
        return not any(Path(f"{url.database}{suffix}").exists() for suffix in ("", "-wal", "-shm"))
    count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    return _postgres("psql", url, "--no-psqlrc", "--tuples-only", "--command", count).strip() == "0"


def _postgres(tool: str, url: URL, *arguments: str) -> str:
    # By the environment: what is on a command line, others on the machine can read.
    names = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGPASSWORD": url.password}
    given = {name: str(value) for name, value in names.items() if value is not None}
    command = [tool, *(["--format=custom"] if tool == "pg_dump" else []), f"--dbname={url.database}", *arguments]
    done = subprocess.run(command, env=os.environ | given, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
