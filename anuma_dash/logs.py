"""Structured logs: one JSON object a line, UTC, without prompts, tokens or e-mail addresses."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

EMAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+\.[a-z]{2,}", re.IGNORECASE)
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # A last line of defense: nothing should log these in the first place.
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = BEARER.sub(r"\1…", EMAIL.sub("…@…", value))
    return event
