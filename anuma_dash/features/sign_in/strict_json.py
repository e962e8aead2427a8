"""JSON from strangers: an object, or nothing."""

from __future__ import annotations

import json
from typing import Any, NoReturn


def json_object(text: bytes | str) -> dict[str, Any]:
    """The object. Raises `ValueError` for anything else.

    What Python's reader lets pass and RFC 8259 does not is refused: NaN and Infinity, which compare as no number does;
    half characters, which no database takes; and nesting that exhausts the stack.
    """
    try:
        found = json.loads(text, parse_constant=_refuse)
        json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")
