"""The stack into which everything is sent, and all the places where it could keep something: files, tables, figures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from anuma_dash.settings import Settings
from tests.canary.marks import Marks, cells
from tests.databases import postgres_missing
from tests.gateway.conftest import postgres_databases
from tests.processes import Stack

DATABASES = {
    "dashboard": "ANUMA_DATABASE_URL",
    "workflows": "ANUMA_WORKFLOWS_DATABASE_URL",
    "gateway": "ANUMA_GATEWAY_DATABASE_URL",
    "gateway-keys": "ANUMA_GATEWAY_KEYS_DATABASE_URL",
}
"""By name, with the setting that says where each is."""


@dataclass
class Place:
    """A running stack, and where everything that it keeps is."""

    stack: Stack
    settings: Settings
    databases: dict[str, str]
    processes: tuple[str, ...]

    def figures(self, marks: Marks) -> set[str]:
        """What of the marks any process tells as a figure."""
        found: set[str] = set()
        for process in self.processes:
            answer = httpx.get(f"{process}/metrics", timeout=30, trust_env=False)
            assert "anuma_" in answer.text
            found |= marks.find(answer.content)
        return found

    def encrypted(self) -> list[bytes]:
        """A piece of each ciphertext and each wrapped key."""
        columns = {"gateway": "request_contents.ciphertext", "gateway-keys": "data_keys.wrapped"}
        return [
            value[:40]
            for name, column in columns.items()
            for place, value in cells(self.databases[name])
            if place == column and isinstance(value, bytes)
        ]

    def holds(self, pieces: list[bytes]) -> set[str]:
        """The files and the databases in which one of these pieces lies as it is."""
        files = [path for path in self.stack.folder.rglob("*") if path.is_file()]
        found = {path.name for path in files if any(piece in path.read_bytes() for piece in pieces)}
        for name, url in self.databases.items():
            values = [value for _, value in cells(url) if isinstance(value, bytes)]
            found |= {name} if any(piece in value for piece in pieces for value in values) else set()
        return found


@contextmanager
def databases_on(engine: str, folder: Path) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """The addresses of the four databases by name, and the settings that say so."""
    if engine == "sqlite":
        yield {name: f"sqlite:///{folder}/instance/{name}.sqlite" for name in DATABASES}, {}
        return
    if missing := postgres_missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with postgres_databases(len(DATABASES)) as urls:
        yield dict(zip(DATABASES, urls, strict=True)), dict(zip(DATABASES.values(), urls, strict=True))
