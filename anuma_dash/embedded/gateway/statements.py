"""Statements of the hot path: SQLAlchemy's Core writes them once, the driver executes them.

Core takes several times longer to execute a statement than SQLite does; what it knows of types is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sqlalchemy import Dialect, Executable, Select
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any]


class Cursor(Protocol):
    """What is needed of a driver's cursor (PEP 249)."""

    def execute(self, operation: Any, parameters: Any = ..., /) -> Any:
        """Execute one statement."""

    def executemany(self, operation: Any, parameters: Any, /) -> Any:
        """Execute one statement with each of these values."""

    def fetchone(self) -> Any:
        """The next row."""

    def fetchall(self) -> Any:
        """All rows."""


class Statement:
    """One statement, for any dialect; compiled for each when it is first needed.

    Args:
        core: the statement, its values left open by name.
        names: the columns that an INSERT without values of its own sets; all of the table's if empty.
    """

    def __init__(self, core: Executable, names: Sequence[str] = ()) -> None:
        self._core = core
        self._names = list(names) or None
        self._compiled: dict[str, _Compiled] = {}

    def run(self, cursor: Cursor, dialect: Dialect, values: Mapping[str, Any]) -> None:
        """Execute it."""
        compiled = self._for(dialect)
        cursor.execute(compiled.text, compiled.bind(values))

    def run_many(self, cursor: Cursor, dialect: Dialect, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each row of values."""
        compiled = self._for(dialect)
        if len(rows) == 1:
            cursor.execute(compiled.text, compiled.bind(rows[0]))
        elif rows:
            cursor.executemany(compiled.text, [compiled.bind(row) for row in rows])

    def rows(self, cursor: Cursor, dialect: Dialect, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Execute it; all rows, in the types of their columns."""
        compiled = self._for(dialect)
        cursor.execute(compiled.text, compiled.bind(values))
        return [compiled.convert(row) for row in cursor.fetchall()]

    def _for(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._core, dialect, self._names)
        return compiled


class _Compiled:
    def __init__(self, core: Executable, dialect: Dialect, names: list[str] | None) -> None:
        compiled = core.compile(dialect=dialect, column_keys=names)  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        self.text = compiled.string
        types = {name: parameter.type for name, parameter in compiled.binds.items()}
        order = compiled.positiontup if compiled.positional else list(types)
        self._named = not compiled.positional
        self._binds = [(name, types[name].dialect_impl(dialect).bind_processor(dialect)) for name in order or []]
        columns = core.selected_columns if isinstance(core, Select) else ()
        self._results = [_result_processor(column.type, dialect) for column in columns]

    def bind(self, values: Mapping[str, Any]) -> Any:
        """The values as the driver wants them."""
        if self._named:
            return {name: convert(values[name]) if convert else values[name] for name, convert in self._binds}
        return tuple([convert(values[name]) if convert else values[name] for name, convert in self._binds])

    def convert(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row of the driver's in the types of its columns."""
        return tuple([convert(value) if convert else value for convert, value in zip(self._results, row, strict=True)])


def _result_processor(column: Any, dialect: Dialect) -> Convert | None:
    found: Convert | None = column.dialect_impl(dialect).result_processor(dialect, None)
    return found
