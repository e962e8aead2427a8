"""A PostgreSQL cluster of the test's own, which it may stop as a power cut does."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.processes import free_port, wait_until

SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []
OPTIONS = "-c listen_addresses=127.0.0.1 -c max_connections=60 -c shared_buffers=16MB"


def missing() -> str | None:
    """What keeps a cluster from being made here, if anything."""
    if not SERVERS and shutil.which("initdb") is None:
        return "no PostgreSQL server programs (initdb, pg_ctl) are installed"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            return "PostgreSQL refuses to run as root, and there is no user postgres to run it as"
        if shutil.which("setpriv") is None:
            return "PostgreSQL refuses to run as root, and there is no setpriv to become postgres"
    return None


@dataclass
class Cluster:
    """One data folder and the server on it."""

    folder: Path
    port: int

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create_databases(self, *names: str) -> None:
        """Make empty databases."""
        dsn = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(dsn, autocommit=True) as connection:
            for name in names:
                connection.execute(f'CREATE DATABASE "{name}"')

    def start(self) -> None:
        """Start the server, recovering if need be; returns when it answers."""
        self._run("pg_ctl", "-s", "start", "-w", "-t", "60", "-o", f"{OPTIONS} -p {self.port} -k {self.folder}")

    def stop_at_once(self) -> None:
        """Stop it without finishing anything: what was not committed is lost, as after a power cut."""
        self._run("pg_ctl", "-s", "stop", "-m", "immediate", "-w")

    def _run(self, program: str, *arguments: str) -> None:
        path = str(SERVERS[-1] / program) if SERVERS else program
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        subprocess.run(
            [*become, path, "-D", str(self.folder / "data"), *arguments],
            check=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            timeout=120,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster in a folder of its own."""
    # The user postgres cannot look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="anuma-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        made = Cluster(folder, free_port())
        made._run("initdb", "-A", "trust", "-U", "postgres", "-N", "-E", "UTF8", "--locale=C")
        made.start()
        try:
            yield made
        finally:
            made.stop_at_once()
            wait_until(lambda: not (folder / "data" / "postmaster.pid").exists(), "the cluster has ended")
    finally:
        shutil.rmtree(folder)
