"""Bodies with a mark in each of their places, one place at a time."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from tests.canary.marks import Marks


def marked(marks: Marks, name: str, body: Any) -> Iterator[Any]:
    """The body again and again: with a mark in one leaf, as the name of one field, in a field nobody knows."""
    for path in _leaves(body):
        if path:
            yield _replaced(body, path, marks.new(f"{name} {'.'.join(map(str, path))}"))
    if isinstance(body, dict):
        yield body | {"nobody_knows_this": marks.new(f"{name} unknown field")}
        yield body | {marks.new(f"{name} unknown field's name"): 1}


def all_marked(marks: Marks, name: str, body: Any, keep: tuple[str, ...]) -> Any:
    """The body with one mark in every leaf of text but those of these names."""
    mark = marks.new(f"{name} every field")
    for path in _leaves(body):
        if isinstance(_at(body, path), str) and path[-1] not in keep:
            body = _replaced(body, path, mark)
    return body


def example(schema: dict[str, Any], components: dict[str, Any]) -> Any:
    """Something that fits a JSON schema of the contract."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    for many in ("anyOf", "oneOf", "allOf"):
        if many in schema:
            return example(schema[many][0], components)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [""])[0])
    if schema.get("type") == "object":
        names = schema.get("propertyNames", {}).get("enum", [])
        inner = schema.get("additionalProperties")
        found = {name: example(one, components) for name, one in schema.get("properties", {}).items()}
        return found | {name: example(inner, components) for name in names if isinstance(inner, dict)}
    if schema.get("type") == "array":
        return [example(schema.get("items", {}), components)]
    texts = {"uuid": str(uuid4()), "date-time": "2026-01-01T00:00:00Z"}
    values = {"string": texts.get(schema.get("format", ""), "plain"), "integer": 1, "number": 1, "boolean": False}
    return values.get(schema.get("type", ""))


def _leaves(body: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(body, dict):
        return [found for key, value in body.items() for found in _leaves(value, (*path, key))]
    if isinstance(body, list):
        return [found for place, value in enumerate(body) for found in _leaves(value, (*path, place))]
    return [path]


def _at(body: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


def _replaced(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    _at(changed, path[:-1])[path[-1]] = value
    return changed
