"""Exports of conversations: an export that was cut short is never called complete."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Callable
from typing import Any

import pytest

from anuma_dash.errors import GatewayRefused, GatewayUnavailable
from anuma_dash.gateway import exports
from anuma_dash.identity import WORKER
from tests.test_gateway_client import Peer

ACCOUNT = "0190a1b2-0000-7000-8000-000000000001"
AT = "2026-05-01T10:00:00Z"
CONVERSATION: dict[str, Any] = {
    "id": "0190a1b2-0000-7000-8000-000000000002",
    "created_at": AT,
    "updated_at": AT,
    "title": "Herons",
    "model": "anuma/echo",
    "app_id": "0190a1b2-0000-7000-8000-000000000003",
    "app_name": "Default",
    "messages": 1,
    "bytes": 5,
    "pinned": False,
    "expires_at": None,
}
MESSAGE: dict[str, Any] = {
    "role": "user",
    "text": "a heron\nin the marsh",
    "id": "0190a1b2-0000-7000-8000-000000000004",
    "parent_id": None,
    "created_at": AT,
    "model": "anuma/echo",
    "request_id": None,
}


def export(*, manifest: dict[str, Any] | None = None, more: bytes = b"") -> bytes:
    lines = b"".join(
        json.dumps(line).encode() + b"\n" for line in ({"conversation": CONVERSATION}, {"message": MESSAGE})
    )
    closing = {"conversations": 1, "messages": 1, "sha256": hashlib.sha256(lines).hexdigest()} | (manifest or {})
    return lines + json.dumps({"manifest": closing}).encode() + b"\n" + more


def sending(body: bytes, status: str = "200 OK") -> Callable[[Peer, socket.socket], None]:
    """The body in pieces of a few bytes, its end told by the end of the connection."""

    def answer(_: Peer, connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode())
        for start in range(0, len(body), 7):
            connection.sendall(body[start : start + 7])

    return answer


def read(body: bytes, status: str = "200 OK") -> list[Any]:
    with Peer(sending(body, status)).serving() as gateway:
        return list(gateway.export_conversations(WORKER, ACCOUNT))  # type: ignore[arg-type]


def test_a_whole_export_is_read_line_by_line() -> None:
    conversation, message = read(export())
    assert conversation.conversation.title == "Herons"
    assert message.message.text == "a heron\nin the marsh"


WHOLE = export()
BEFORE_THE_MANIFEST = WHOLE.index(b'{"manifest"')


@pytest.mark.parametrize(
    "body",
    [
        b"",
        WHOLE[:BEFORE_THE_MANIFEST],
        WHOLE[: BEFORE_THE_MANIFEST - 20],
        WHOLE[:-1],
        WHOLE[WHOLE.index(b'{"message"') :],
        export(manifest={"messages": 2}),
        export(manifest={"conversations": 0}),
        export(manifest={"sha256": "0" * 64}),
        WHOLE.replace(b"Herons", b"Storks"),
        export(more=b'{"message": null}\n'),
        b"{}\n" + WHOLE,
        b"null\n",
        b"\xff\n",
    ],
    ids=[
        "empty",
        "no manifest",
        "half a line",
        "the last line without its end",
        "the first line is missing",
        "another count of messages",
        "another count of conversations",
        "another checksum",
        "a changed title",
        "more after the manifest",
        "a line of nothing",
        "no object",
        "no text",
    ],
)
def test_an_export_that_does_not_prove_itself_is_none(body: bytes) -> None:
    with pytest.raises(GatewayUnavailable):
        read(body)


def test_a_line_without_end_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAXIMUM_LINE_BYTES", 50)
    with pytest.raises(GatewayUnavailable, match="too long"):
        read(b"x" * 100_000)


def test_a_refusal_is_one_before_the_first_line() -> None:
    problem = {"title": "No", "status": 404, "code": "not_found", "detail": "There is no such conversation."}
    with pytest.raises(GatewayRefused, match="no such conversation"):
        read(json.dumps(problem).encode(), "404 Not Found")
