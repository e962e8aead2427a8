"""What an export's file says: comma-separated values for a person, JSON Lines for whoever wants to verify.

The JSON Lines format is described in docs/activity-export.md; `offline.py` reads it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from anuma_dash.audit import AuditDetail, AuditEntry, chained
from anuma_dash.domain import activity_words as words
from anuma_dash.features.activity import service
from anuma_dash.features.activity.models import ActivityExport
from anuma_dash.identity import WORKER

FORMAT = "anuma-activity/1"
COLUMNS = (
    "entry",
    "time_utc",
    "time_local",
    "time_zone",
    "kind",
    "event",
    "actor",
    "actor_kind",
    "address",
    "sentence",
    "before",
    "after",
    "support_session_id",
    "request_id",
    "hash",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}")
MORE_FORMULA = ("\N{FULLWIDTH HYPHEN-MINUS}", "\N{FULLWIDTH COMMERCIAL AT}")


def cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe goes before what could be one (OWASP)."""
    return f"'{text}" if text.startswith(FORMULA) or text.lstrip().startswith((*FORMULA, *MORE_FORMULA)) else text


def _csv(rows: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def beginning(export: ActivityExport, head_hash: str) -> str:
    """The first line: the columns' names, or what the file is."""
    if export.format == "csv":
        return _csv([COLUMNS])
    return _line(
        {
            "type": "chain",
            "format": FORMAT,
            "chain": str(export.account_id),
            "complete": export.whole,
            "entries": export.up_to,
            "head": head_hash,
            "filters": export.filters,
            "own_acts_only": export.own_only,
            "requested_at": export.requested_at.isoformat(),
        }
    )


def ending(export: ActivityExport) -> str:
    """The last line: how many entries there are, so that a file that was cut off is seen to be."""
    return _line({"type": "end", "entries": export.rows_done}) if export.format == "jsonl" else ""


def stretch(
    export: ActivityExport, rows: Iterable[tuple[AuditEntry, AuditDetail | None]], erased_before: datetime | None
) -> str:
    """The lines of some entries."""
    if export.format == "csv":
        zone = ZoneInfo(export.time_zone)
        return _csv(
            _cells(service.line_of(WORKER, entry, detail, erased_before), entry, zone) for entry, detail in rows
        )
    return "".join(_line(_link(entry, detail, erased_before)) for entry, detail in rows)


def _cells(line: service.Line, entry: AuditEntry, zone: ZoneInfo) -> list[str]:
    named = [f"{change.name}: " if change.name else "" for change in line.changes]
    told = words.sentence_text(line.pieces) if not line.erased else "Details erased"
    return [
        str(line.number),
        line.at.astimezone(UTC).isoformat(),
        line.at.astimezone(zone).isoformat(),
        cell(zone.key),
        cell(line.kind_label),
        cell(line.event),
        cell("" if line.erased else line.actor_name),
        cell(line.actor_kind),
        cell(line.address),
        cell(told),
        cell("; ".join(name + change.old for name, change in zip(named, line.changes, strict=True))),
        cell("; ".join(name + change.new for name, change in zip(named, line.changes, strict=True))),
        str(entry.support_session_id or ""),
        cell(entry.request_id),
        entry.hash,
    ]


def _link(entry: AuditEntry, detail: AuditDetail | None, erased_before: datetime | None) -> dict[str, Any]:
    known = detail if erased_before is None or entry.at >= erased_before else None
    return {
        "type": "entry",
        **chained(entry),
        "hash": entry.hash,
        "salt": known.salt if known else None,
        "body": known.body if known else None,
    }


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
