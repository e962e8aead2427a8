"""The client of the gateway against answers that no decent gateway gives."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from joserfc.jwk import ECKey

from anuma_dash.errors import GatewayUnavailable
from anuma_dash.gateway.client import Gateway
from anuma_dash.identity import WORKER

DRIPS = 600
SECONDS_BETWEEN_DRIPS = 0.05
BUDGET_SECONDS = 2.0


class Peer:
    """A server on a raw socket that answers one call as it likes. `cut_short`: the client left before the end."""

    def __init__(self, answer: Callable[[Peer, socket.socket], None]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cut_short = False

    def _serve(self) -> None:
        with suppress(OSError):  # the client may have left before
            connection, _ = self._listener.accept()
            with connection:
                connection.settimeout(60)
                connection.recv(65536)
                self._answer(self, connection)

    @contextmanager
    def serving(self) -> Iterator[Gateway]:
        """A gateway client that calls this server."""
        self._thread.start()
        gateway = Gateway(self.url, ECKey.generate_key("P-256"), budget_seconds=BUDGET_SECONDS)
        try:
            yield gateway
        finally:
            gateway.close()
            self._thread.join(60)
            self._listener.close()


def _drip_headers(peer: Peer, connection: socket.socket) -> None:
    pause = threading.Event()
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for _ in range(DRIPS):
            connection.sendall(b"x")
            pause.wait(SECONDS_BETWEEN_DRIPS)
    except OSError:
        peer.cut_short = True


def test_headers_that_drip_do_not_hold_a_call() -> None:
    peer = Peer(_drip_headers)
    with peer.serving() as gateway, pytest.raises(GatewayUnavailable):
        gateway.contract(WORKER)
    assert peer.cut_short


def _answering(status: str, body: bytes) -> Callable[[Peer, socket.socket], None]:
    def answer(_: Peer, connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return answer


@pytest.mark.parametrize("status", ["200 OK", "409 Conflict", "503 Service Unavailable"])
@pytest.mark.parametrize("body", [b"[" * 200_000, b"", b"null", b'"words"', b"\xff\xfe"], ids=len)
def test_answers_that_cannot_be_read_are_no_answers(status: str, body: bytes) -> None:
    with Peer(_answering(status, body)).serving() as gateway, pytest.raises(GatewayUnavailable):
        gateway.contract(WORKER)
