"""The bad network does what it says, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.proxy import DOWN, FINE, Fault, Proxy, Way
from tests.processes import wait_until

SECONDS = 60


class Echo:
    """Sends back what it gets, and remembers it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = b""
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while chunk := connection.recv(65536):
                    self.heard += chunk
                    connection.sendall(chunk)
            except OSError:
                return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(SECONDS)


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()
    yield found
    found.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as found:
        yield found


@pytest.fixture
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as found:
        yield found


def read(client: socket.socket, count: int) -> bytes:
    """So many bytes, or all there are before the end."""
    found = b""
    while len(found) < count and (chunk := client.recv(count - len(found))):
        found += chunk
    return found


def resets(proxy: Proxy) -> bool:
    """Whether a new connection is reset: at once, or when it is used."""
    try:
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=SECONDS) as other:
            other.sendall(b"x")
            other.recv(1)
            return False
    except ConnectionError:
        return True


def test_fine_is_as_if_it_was_not_there(proxy, client, echo):
    client.sendall(b"hello")
    assert read(client, 5) == b"hello"
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b"", "the end goes through too"
    wait_until(lambda: proxy.connections == 0, "the connection is gone")
    assert proxy.passed == {"requests": 5, "answers": 5}


def test_refusing_resets_old_and_new_connections(proxy, client, echo):
    client.sendall(b"hello")
    read(client, 5)
    proxy.fault = DOWN
    with pytest.raises(ConnectionResetError):
        read(client, 1)
    assert resets(proxy)
    assert echo.heard == b"hello"


def test_swallowed_bytes_never_arrive_and_those_after_do(proxy, client, echo):
    proxy.fault = Fault(requests=Way("swallow"))
    client.sendall(b"lost")
    wait_until(lambda: proxy.swallowed == 4, "all of it has vanished")
    assert echo.heard == b""
    proxy.fault = FINE
    client.sendall(b"found")
    assert read(client, 5) == b"found"
    assert echo.heard == b"found"


def test_a_lost_answer_is_one_whose_request_arrived(proxy, client, echo):
    proxy.fault = Fault(answers=Way("lose"))
    client.sendall(b"hello")
    with pytest.raises(ConnectionResetError):
        read(client, 1)
    assert echo.heard == b"hello"


@pytest.mark.parametrize("way", ["requests", "answers"])
def test_a_cut_lets_exactly_so_many_bytes_through_and_calls_before_it_resets(proxy, client, echo, way):
    calls = []
    proxy.on_cut = lambda: calls.append(proxy.connections)
    proxy.fault = Fault(**{way: Way(cut_after=7)})
    client.sendall(b"hello")
    assert read(client, 5) == b"hello"
    client.sendall(b"world")
    with pytest.raises(ConnectionResetError):
        read(client, 100)
    assert calls == [1]
    if way == "answers":
        assert echo.heard == b"helloworld"
    assert len(echo.heard) <= (7 if way == "requests" else 10), "a reset may overtake what was sent before it"
    assert proxy.passed[way] == 7


def test_a_drip_brings_everything_in_single_bytes(proxy, client, echo):
    proxy.fault = Fault(requests=Way("drip"), answers=Way("drip"))
    client.sendall(b"hello world")
    assert read(client, 11) == b"hello world"


def test_garbage_is_as_long_as_what_it_replaces(proxy, client, echo):
    proxy.fault = Fault(answers=Way("garble"))
    client.sendall(b"hello")
    assert read(client, 5) == b"\xff\xfe\xfd\xfc\xfb"
    assert echo.heard == b"hello"


def test_an_end_closes_one_way_only(proxy, client, echo):
    proxy.fault = Fault(answers=Way("end"))
    client.sendall(b"hello")
    assert client.recv(1) == b""
    client.sendall(b"still heard")
    wait_until(lambda: echo.heard == b"hellostill heard", "the other way is open")


def test_a_server_that_is_gone_is_a_reset(proxy, echo):
    echo._listener.shutdown(socket.SHUT_RDWR)
    echo._listener.close()
    echo._listener = socket.create_server(("127.0.0.1", 0))
    assert resets(proxy)
