"""Entries in words: sentences, what was before and after, what they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from string import Formatter
from typing import Any

from anuma_dash.audit import PERSON

ACTOR_KINDS = {
    "user": "a person",
    "staff": "staff",
    "worker": "Anuma",
    "operator": "an operator",
    "provider": "a sign-in provider",
    "anonymous": "somebody who was not signed in",
}
"""Who acted, where nothing else may be said of them."""
NOT_FOLLOWED = frozenset({"granted_by"})
"""Kinds by which nobody would look for entries: who let support in stands in the entry about that."""
OBJECT_KINDS = {"intent": "request for a key", "granted_by": "person who let support in"}
"""Kinds whose name in the log is not their name for people; the others are called what they are."""
NAMELESS = {"worker": "Anuma", "operator": "Operator", "anonymous": "Somebody not signed in", "staff": "Staff"}


@dataclass(frozen=True)
class Piece:
    """A part of a sentence: words, or a time."""

    value: str | datetime


@dataclass(frozen=True)
class Change:
    """One thing that was changed: what, before, after. `name` is empty where the sentence names it."""

    name: str
    old: str
    new: str


def actor_name(kind: str, name: str) -> str:
    """How somebody is called who acted, by the kind of actor, and the name that the entry gives."""
    return name or NAMELESS.get(kind, "Somebody")


def changes_of(fields: Mapping[str, Any]) -> list[Change]:
    """Before and after, from the fields `old` and `new`, or `old_…` and `new_…`, whose values may be mappings."""
    found: list[Change] = []
    for name in fields:
        if name != "old" and not name.startswith("old_"):
            continue
        what, partner = name[4:], f"new{name[3:]}"
        if partner not in fields:
            continue
        old, new = fields[name], fields[partner]
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            found += [Change(label(str(key)), plain(old.get(key)), plain(new.get(key))) for key in keys]
        else:
            found.append(Change(label(what), plain(old), plain(new)))
    return found


def label(name: str) -> str:
    """A field's name as words."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def plain(value: object) -> str:
    """A value before or after a change."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "on" if value else "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def object_kind(kind: str) -> str:
    """What kind of thing an entry is about, as words."""
    return OBJECT_KINDS.get(kind, kind.replace("_", " "))


def narrower(kind: str) -> str:
    """The words of a link to the entries about one thing."""
    return "about this person" if kind == PERSON else f"only this {object_kind(kind)}"


def begin(sentence: str) -> tuple[str, bool]:
    """An event's sentence as it begins, and whether the name of who acted stands before it."""
    if sentence.startswith(("{", "the ", "a ")):
        return sentence[0].upper() + sentence[1:], False
    return sentence, True


def fill(sentence: str, fields: Mapping[str, Any]) -> list[Piece]:
    """A sentence with its fields filled in. A time in a field (RFC 3339) becomes a time."""
    pieces = []
    for words, name, noun, _ in Formatter().parse(sentence):
        if words:
            pieces.append(Piece(words))
        if name is not None:
            pieces.append(Piece(_value(name, fields.get(name))))
        if noun:
            pieces.append(Piece(f" {noun if fields.get(name or '') == 1 else _plural(noun)}"))
    return pieces


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") and noun[-2] not in "aeiou" else f"{noun}s"


def sentence_text(pieces: Sequence[Piece]) -> str:
    """A sentence as plain text; times are in UTC (RFC 3339)."""
    return "".join(piece.value if isinstance(piece.value, str) else piece.value.isoformat() for piece in pieces)


def _value(name: str, value: object) -> str | datetime:
    if value is None:
        return "an unknown number of" if name == "count" else "unknown"
    if name.endswith("_at") and isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def target_of(event: str, fields: Mapping[str, Any]) -> tuple[str, str] | None:
    """What an entry leads to, as (kind, identifier)."""
    for field, kind in (("deletion_id", "deletion"), ("key_id", "key"), ("gateway_request_id", "request")):
        if fields.get(field):
            return kind, str(fields[field])
    if event == "control.tested" and fields.get("request_id"):
        return "request", str(fields["request_id"])
    return ("controls", "") if event.startswith("control.") else None
