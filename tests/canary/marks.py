"""Marked strings, one for each input, and looking for them in every form in which they might lie about."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import MetaData, create_engine, select


@dataclass
class Marks:
    """Gives every input a string of its own. All begin alike, so that one search finds them all."""

    start: str = field(default_factory=lambda: "cnry" + secrets.token_hex(4))
    inputs: list[str] = field(default_factory=list)

    def new(self, name: str) -> str:
        """The string for the input of this name."""
        self.inputs.append(name)
        return f"{self.start}{len(self.inputs) - 1:05}"

    def find(self, data: bytes) -> set[str]:
        """What of it is in these bytes: inputs by their names, other encodings by theirs."""
        lowered = data.lower()
        found = {
            self.inputs[int(number)] if int(number) < len(self.inputs) else "?"
            for number in re.findall(self.start.encode() + rb"(\d{5})", lowered)
        }
        if not found and self.start.encode() in lowered:
            found.add("a part of some input")
        return found | {name for name, needles in self._encoded().items() if any(one in data for one in needles)}

    def _encoded(self) -> dict[str, list[bytes]]:
        raw = self.start.encode()
        return {
            "something in base64": [one for shift in range(3) for one in _base64(raw, shift)],
            "something in hex": [raw.hex().encode(), raw.hex().upper().encode()],
            "something in UTF-16": [self.start.encode("utf-16-le"), self.start.encode("utf-16-be")],
        }


def _base64(raw: bytes, shift: int) -> list[bytes]:
    """What of the encoding does not depend on what stands before and after."""
    text = base64.b64encode(b"\0" * shift + raw)
    inner = text[4 if shift else 0 : len(text) // 4 * 4 - 4]
    return [inner, inner.translate(bytes.maketrans(b"+/", b"-_"))]


def search_files(marks: Marks, folder: Path, *words: bytes) -> dict[str, set[str]]:
    """Every file below a folder, raw: databases with their write-ahead logs, logs, temporary files.

    `words` are further strings to look for as they are.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes() + path.name.encode()
            if names := marks.find(data) | {word.decode() for word in words if word in data}:
                found[str(path.relative_to(folder))] = names
    return found


def search_tables(marks: Marks, databases: dict[str, str]) -> dict[str, set[str]]:
    """Every cell of every table of these databases, by `database.table.column`."""
    found: dict[str, set[str]] = {}
    for database, url in databases.items():
        for place, value in cells(url):
            if names := marks.find(value if isinstance(value, bytes) else str(value).encode()):
                found.setdefault(f"{database}.{place}", set()).update(names)
    return found


def cells(url: str) -> Iterator[tuple[str, object]]:
    """Every value of every table, with its `table.column`."""
    engine = create_engine(url)
    try:
        metadata = MetaData()
        schemas = [None, "dbos"] if url.startswith("postgresql") else [None]
        for schema in schemas:
            metadata.reflect(engine, schema=schema)
        with engine.connect() as connection:
            for table in metadata.tables.values():
                columns = [column.name for column in table.columns]
                for row in connection.execute(select(table)):
                    yield from ((f"{table.name}.{name}", value) for name, value in zip(columns, row, strict=True))
    finally:
        engine.dispose()
