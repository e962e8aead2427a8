"""How a client names the conversation that a request belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from . import refusals

HEADER: Final = "x-anuma-conversation-id"
_FIELD: Final = "conversation_id"
_LONGEST: Final = 200


def conversation_name(body: dict[str, Any], headers: Sequence[str]) -> str | None:
    """The name in the body's `conversation_id`, in its `metadata`, or in the header; `None` if it is in none of them.

    Raises:
        Refusal: 422, it is no text of 1 to 200 characters, or the places name different ones.
    """
    metadata = body.get("metadata")
    given = {
        _FIELD: body.get(_FIELD),
        f"metadata.{_FIELD}": metadata.get(_FIELD) if isinstance(metadata, dict) else None,
    }
    names = [(place, name) for place, name in given.items() if name is not None] + [(HEADER, one) for one in headers]
    for place, name in names:
        if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST:
            message = f"'{place}' must be a text of 1 to {_LONGEST} characters."
            raise refusals.bad_body("invalid_body", message, place)
    found: set[str] = {name for _, name in names}
    if len(found) > 1:
        raise refusals.bad_body("invalid_body", "The request names more than one conversation.", _FIELD)
    return found.pop() if found else None


def without_name(body: dict[str, Any]) -> dict[str, Any]:
    """A body without the name: it is for this gateway alone."""
    sent = {name: value for name, value in body.items() if name != _FIELD}
    metadata = sent.get("metadata")
    if isinstance(metadata, dict) and _FIELD in metadata:
        sent["metadata"] = {name: value for name, value in metadata.items() if name != _FIELD}
    return sent
