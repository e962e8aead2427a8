"""Structured logs: one JSON object a line, UTC, to standard error and to a file of their own.

Never content, never secrets: callers log identifiers, names of routes and classes of errors, nothing that came from
outside. An exception is logged as its class and the places it went through, because its message may quote a prompt.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import structlog

_MAX_BYTES = 10_000_000
_KEPT_FILES = 3
_OURS = Path(__file__).parent


class Log:
    """The gateway's log. One per application, so that two in one process do not share files."""

    def __init__(self, file: Path | None, *, to_stderr: bool = True) -> None:
        self.file = file
        self.to_stderr = to_stderr
        self._lines = _Lines(file, to_stderr)
        self._logger: Any = structlog.wrap_logger(
            self._lines,
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(),
            ],
            # Its own, not what the process configured: a level set there would drop lines that a search must find.
            wrapper_class=structlog.BoundLogger,
            context_class=dict,
        ).bind()

    def info(self, event: str, **fields: object) -> None:
        """Something that happened as it should."""
        self._logger.info(event, **fields)

    def error(self, event: str, error: BaseException | None = None, **fields: object) -> None:
        """Something that did not, with where it went wrong but not with what words."""
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in frames if _OURS in Path(frame.filename).parents] or frames
            fields["error"] = type(error).__name__
            fields["where"] = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours[-5:]]
        self._logger.error(event, **fields)

    def files(self) -> list[Path]:
        """The log files there are now, the rotated ones included."""
        return sorted(self.file.parent.glob(self.file.name + "*")) if self.file else []

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class _Lines:
    def __init__(self, file: Path | None, to_stderr: bool) -> None:
        self._to_stderr = to_stderr
        self._file = RotatingFileHandler(file, maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES) if file else None
        self._written = file.stat().st_size if file else 0

    def msg(self, line: str) -> None:
        if self._to_stderr:
            with contextlib.suppress(OSError, ValueError):  # no room, or closed: costs the lines, not the request
                sys.stderr.write(line + "\n")
        if self._file:
            self._write(self._file, line)

    def _write(self, file: RotatingFileHandler, line: str) -> None:
        # What the handler does for a record, without making one and without asking the disk for the file's size.
        assert file.lock is not None
        assert file.stream is not None
        with file.lock, contextlib.suppress(OSError):  # a full disk loses lines, not requests
            file.stream.write(line + "\n")
            file.stream.flush()
            self._written += len(line) + 1
            if self._written > _MAX_BYTES:
                file.doRollover()
                self._written = 0

    info = warning = error = msg

    def close(self) -> None:
        if self._file:
            self._file.close()


class ServerLogs(logging.Handler):
    """Takes what uvicorn and others log through the standard library: the logger's name and level, no words."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        error = record.exc_info[1] if record.exc_info else None
        self._log.error("library", error, library=record.name, level_name=record.levelname)
