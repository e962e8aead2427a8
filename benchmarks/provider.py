"""A provider that answers at once with the same words: `python -m benchmarks.provider PORT`.

It reads nothing of a request but its end and whether it asks for a stream, so that both sides of a comparison wait
for it equally little.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

MODEL = "bench/model"
_WORDS = "The answer is forty-two. " * 8
_USAGE = {"prompt_tokens": 11, "completion_tokens": 57, "total_tokens": 68}
_PIECES = 8


def _frame(kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "model", "choices": choices, **more}


def _head(kind: bytes, framing: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\n" + framing + b"\r\n\r\n"


def _whole() -> bytes:
    message = {"role": "assistant", "content": _WORDS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps(_frame("chat.completion", [choice], usage=_USAGE)).encode()
    return _head(b"application/json", b"content-length: %d" % len(body)) + body


def _stream() -> list[bytes]:
    size = -(-len(_WORDS) // _PIECES)
    pieces = [_WORDS[start : start + size] for start in range(0, len(_WORDS), size)]
    choices = [{"index": 0, "delta": {"content": piece}, "finish_reason": None} for piece in pieces]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    frames = [json.dumps(_frame("chat.completion.chunk", [choice])) for choice in choices]
    frames += [json.dumps(_frame("chat.completion.chunk", [], usage=_USAGE)), "[DONE]"]
    head = _head(b"text/event-stream", b"transfer-encoding: chunked")
    return [head, *(_chunk(f"data: {frame}\n\n".encode()) for frame in frames), b"0\r\n\r\n"]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


WHOLE, STREAM = _whole(), _stream()


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        assert self._transport is not None
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _content_length(head):
            return
        self._received = b""
        if b'"stream": true' in body or b'"stream":true' in body:
            for part in STREAM:
                self._transport.write(part)
        else:
            self._transport.write(WHOLE)


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def main(port: int) -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
