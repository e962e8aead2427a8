"""An export of conversations as it comes in: lines of JSON whose last one, the manifest, proves that all were there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from pydantic import ValidationError

from anuma_dash.errors import GatewayUnavailable
from anuma_dash.gateway import schemas
from anuma_dash.gateway.deadline import deadline

MAXIMUM_LINE_BYTES = 16_000_000
CUT_SHORT = "The gateway's export ended before its end."


def checked_lines(chunks: Iterator[bytes], budget_seconds: float) -> Iterator[schemas.ExportLine]:
    """The lines of an export but the manifest, each as soon as it is there; one line at a time is held in memory.

    Raises `GatewayUnavailable` for a line that is no line of an export, and if the manifest is missing, is not the last
    line, or tells other counts or another SHA-256 (of every byte before it) than what was read.
    """
    digest, conversations, messages = hashlib.sha256(), 0, 0
    manifest: schemas.ExportManifest | None = None
    for raw in _lines(chunks, budget_seconds):
        if manifest is not None:
            raise GatewayUnavailable("The gateway's export goes on after its end.")
        line = _read(raw)
        if line.manifest is not None:
            manifest = line.manifest
            continue
        digest.update(raw)
        conversations += line.conversation is not None
        messages += line.message is not None
        yield line
    if manifest is None:
        raise GatewayUnavailable(CUT_SHORT)
    if manifest != schemas.ExportManifest(conversations=conversations, messages=messages, sha256=digest.hexdigest()):
        raise GatewayUnavailable("The gateway's export is not what its last line says.")


def _lines(chunks: Iterator[bytes], budget_seconds: float) -> Iterator[bytes]:
    rest = bytearray()
    while True:
        with deadline(budget_seconds):
            chunk = next(chunks, None)
        if chunk is None:
            break
        searched = len(rest)
        rest += chunk
        while (end := rest.find(b"\n", searched)) >= 0:
            yield bytes(rest[: end + 1])
            del rest[: end + 1]
            searched = 0
        if len(rest) > MAXIMUM_LINE_BYTES:
            raise GatewayUnavailable("A line of the gateway's export is too long.")
    if rest:
        raise GatewayUnavailable(CUT_SHORT)


def _read(raw: bytes) -> schemas.ExportLine:
    try:
        line = schemas.ExportLine.model_validate_json(raw)
    except ValidationError:
        raise GatewayUnavailable("The gateway's export is not of the agreed shape.") from None
    if sum(part is not None for part in (line.conversation, line.message, line.manifest)) != 1:
        raise GatewayUnavailable("The gateway's export is not of the agreed shape.")
    return line
