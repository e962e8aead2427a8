"""Structured logs: one JSON object a line, UTC, without prompts, tokens or e-mail addresses."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[a-z]{2,}", re.IGNORECASE)
MOST_LIBRARY_CHARACTERS = 200
BEARER = re.compile(r"(anuma_(live|test)_\w{6})\w+|eyJ[\w-]{10,}\.[\w.-]+")


def configure(level: str, process: str) -> None:
    """Write the logs of this process to standard error. `process` is its name: web, worker, command."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _mask,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=_Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
    root = logging.getLogger()
    root.handlers = [one for one in root.handlers if not isinstance(one, _Libraries)] + [_Libraries(logging.WARNING)]


class _Libraries(logging.Handler):
    """What libraries log, from warnings up: who, where, and the words without the values that were put into them."""

    def emit(self, record: logging.LogRecord) -> None:
        # Without arguments the message may have been put together before, from anything at all.
        message = str(record.msg) if record.args else ""
        place = f"{record.filename}:{record.lineno}"
        log = structlog.get_logger()
        log.log(record.levelno, "library", logger=record.name, place=place, message=message[:MOST_LIBRARY_CHARACTERS])


class _Lines:
    """Writes lines to a stream; a disk without room, or a stream that was closed, costs the lines, not the request."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = structlog.PrintLogger(stream)

    def __call__(self, *_: object) -> _Lines:
        return self

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._lines.msg(line)

    debug = info = warning = error = critical = msg


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # A last line of defense: nothing should log these in the first place.
    return {str(_masked(name)): _masked(value) for name, value in event.items()}


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        # The renderer escapes every control character.
        return BEARER.sub(r"\1…", EMAIL.sub("…@…", value))
    if isinstance(value, Mapping):
        return {str(_masked(name)): _masked(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_masked(one) for one in value]
    return value
