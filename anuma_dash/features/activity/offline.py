"""Verifying a JSON Lines export by itself: without a database, without this dashboard's word for it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from anuma_dash.audit import GENESIS, AuditEntry, Link, Walk
from anuma_dash.features.activity.export_rows import FORMAT


@dataclass(frozen=True)
class FileVerification:
    """What was found in a file. `fault` is empty if all that can be checked holds; `line` is where it is, from 1."""

    chain: str
    complete: bool
    entries: int
    erased: int
    last: int
    line: int = 0
    fault: str = ""


def verify_file(lines: Iterable[str]) -> FileVerification:
    """Walk an export. A complete one is checked as a chain, from the first entry to the head that it names.

    Of any other, each entry is checked by itself, and against the one before where that is in the file too.
    """
    header: dict[str, Any] = {}
    walk, entries, erased, last, ended = Walk(), 0, 0, 0, False

    def found(line: int, fault: str) -> FileVerification:
        chain, complete = str(header.get("chain", "")), bool(header.get("complete"))
        return FileVerification(chain, complete, entries, erased, last, line, fault)

    number = 0
    for number, text in enumerate(lines, 1):
        try:
            value = json.loads(text)
            kind = value["type"]
            if number == 1:
                if kind != "chain" or value["format"] != FORMAT:
                    return found(number, f"this is no export of the format {FORMAT}")
                header = {name: value[name] for name in ("chain", "complete", "entries", "head")}
                continue
            if ended:
                return found(number, "something stands behind the end")
            if kind == "end":
                ended = True
                if value["entries"] != entries:
                    return found(number, f"the file says {value['entries']} entries at its end, and has {entries}")
                continue
            link = _link(value)
            entry = link.entry
            if str(entry.chain) != header["chain"]:
                return found(number, "an entry of another chain")
            if not header["complete"]:
                follows = walk.number and entry.number == walk.number + 1
                walk = Walk(entry.number - 1, walk.hash if follows else entry.previous_hash, walk.erased)
            fault = walk.step(link)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            return found(number, "this line cannot be read")
        if fault:
            return found(number, fault)
        entries, erased, last = entries + 1, walk.erased, walk.number
    if not ended:
        return found(number, "the file was cut off: its last line is missing")
    if header["complete"] and (walk.number, walk.hash) != (header["entries"], header["head"] or GENESIS):
        return found(number, "the entries do not end at the head that the file names")
    return found(0, "")


def _link(value: dict[str, Any]) -> Link:
    optional = {name: UUID(value[name]) if value[name] else None for name in ("actor_id", "support_session_id")}
    at = datetime.fromisoformat(value["at"])
    entry = AuditEntry(
        chain=UUID(value["chain"]),
        number=int(value["number"]),
        at=at,
        event=str(value["event"]),
        actor_kind=str(value["actor_kind"]),
        request_id=str(value["request_id"]),
        commitment=str(value["commitment"]),
        previous_hash=str(value["previous"]),
        hash=str(value["hash"]),
        **optional,
    )
    body = value["body"]
    if body is not None and not isinstance(body, dict):
        raise ValueError("a body is an object")
    return Link(entry, value["salt"], body)
