"""The words in bodies and answers, as plain text, and how many tokens they come to if nobody counted them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_BYTES_PER_TOKEN = 4
_TOKENS_PER_ATTACHMENT = 1000
_DEFINITIONS = ("tools", "functions", "response_format", "text", "prediction", "prompt")
"""What a model also reads: tools, shapes of the answer, an answer that is expected, values for a kept prompt."""


def whole_text(text: str) -> str:
    """JSON can spell halves of surrogate pairs: halves that meet are joined, the others replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def text_of(content: object) -> str:
    """A message's content as plain text: the texts of its parts, and the type of each part that is none."""
    parts = content if isinstance(content, list) else [content]
    return "\n".join(text for part in parts if (text := _part_text(part)))


def estimate_tokens(texts: Iterable[str]) -> int:
    """A deterministic estimate: four bytes of UTF-8 to a token, rounded up."""
    total = sum(len(text.encode()) for text in texts)
    return -(-total // _BYTES_PER_TOKEN)


def estimate_beyond_text(contents: Iterable[object], body: dict[str, Any]) -> int:
    """An estimate for what is no message: a thousand tokens for each image, sound or file; definitions as they are."""
    lists = [content for content in contents if isinstance(content, list)]
    attachments = sum(isinstance(part, dict) and _own_text(part) is None for parts in lists for part in parts)
    definitions = [json.dumps(body[name]) for name in _DEFINITIONS if body.get(name)]
    return attachments * _TOKENS_PER_ATTACHMENT + estimate_tokens(definitions)


def _part_text(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    text = _own_text(part)
    return f"[{str(part.get('type', 'part'))[:64]}]" if text is None else text


def _own_text(part: dict[str, Any]) -> str | None:
    return next((part[name] for name in ("text", "refusal") if isinstance(part.get(name), str)), None)
