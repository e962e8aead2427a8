"""A client that costs next to nothing: requests made beforehand, sent over connections that stay open."""

from __future__ import annotations

import json
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_PATIENCE_SECONDS = 30.0
_END_OF_HEAD = b"\r\n\r\n"
_END_OF_CHUNKS = b"0\r\n\r\n"


def post(url: str, body: object, headers: dict[str, str]) -> bytes:
    """A POST of JSON as it goes over the wire."""
    return _request("POST", url, headers | {"Content-Type": "application/json"}, json.dumps(body).encode())


def get(url: str, headers: dict[str, str]) -> bytes:
    """A GET as it goes over the wire."""
    return _request("GET", url, headers, b"")


def _request(method: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    fields = {"Host": parts.netloc, **headers, "Content-Length": str(len(body))}
    head = [f"{method} {parts.path or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*head, "", ""]).encode() + body


@dataclass
class Spent:
    """What a run took, in seconds: from its first byte sent to its last received, and each first byte of a body."""

    seconds: float = 0.0
    first_bytes: list[float] = field(default_factory=list)
    answers: int = 0


class Connection:
    """One connection that stays open, with at most one request under way."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), _PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""
        self._sent_at = 0.0
        self._first: float | None = None

    def send(self, request: bytes) -> None:
        """Begin a request."""
        self._received, self._first = b"", None
        self._sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Take what is there; whether the answer is whole now. Anything but a 200 is an error."""
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._received += data
        head, found, body = self._received.partition(_END_OF_HEAD)
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(self._received[:300].decode(errors="replace"))
        if body and self._first is None:
            self._first = time.perf_counter() - self._sent_at
        length = _content_length(head)
        return body.endswith(_END_OF_CHUNKS) if length is None else len(body) >= length

    @property
    def first_byte_seconds(self) -> float:
        """How long after the request the first byte of the answer's body came."""
        assert self._first is not None
        return self._first

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def _content_length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return None


def run(connections: Sequence[Connection], request: bytes, count: int) -> Spent:
    """Send so many requests, always one under way on each connection."""
    spent, left = Spent(), count
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        began = time.perf_counter()
        for connection in connections[:count]:
            connection.send(request)
            left -= 1
        while spent.answers < count:
            ready = selector.select(_PATIENCE_SECONDS)
            if not ready:
                raise TimeoutError("no answer")
            for key, _ in ready:
                connection = key.data
                if not connection.receive():
                    continue
                spent.answers += 1
                spent.first_bytes.append(connection.first_byte_seconds)
                if left:
                    connection.send(request)
                    left -= 1
        spent.seconds = time.perf_counter() - began
    return spent
