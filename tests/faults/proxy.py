"""A bad network: a TCP proxy on loopback whose fault can be changed while connections are open.

```python
with Proxy(gateway_port) as proxy:  # a client calls proxy.url
    proxy.fault = Fault(answers=Way("lose"))  # the request arrives, and its answer is lost
```
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

CHUNK_BYTES = 65536
GARBAGE = b"\xff\xfe\xfd\xfc\xfb no HTTP\r\n\r\n"
"""Ends as a head ends, so that nobody waits for more of it."""
Action = Literal["pass", "swallow", "drip", "garble", "lose", "end"]


@dataclass(frozen=True)
class Way:
    """What happens to bytes that go one way.

    Actions: `pass`; `swallow` (they vanish, the connection stays); `drip` (one by one); `garble` (as many bytes of
    garbage instead); `lose` (when the first arrives, both sides are reset: the other side had sent them); `end` (the
    stream ends politely here, the other way stays open). `cut_after` resets both sides after so many bytes, counted
    over all connections since the fault was set.
    """

    action: Action = "pass"
    cut_after: int | None = None


@dataclass(frozen=True)
class Fault:
    """What is wrong with the network. `refuse` resets every connection, those that are open too."""

    requests: Way = field(default_factory=Way)
    answers: Way = field(default_factory=Way)
    refuse: bool = False


FINE = Fault()
DOWN = Fault(refuse=True)


class Proxy:
    """Listens on a port of its own, and passes on to `port` on loopback what the fault lets through.

    `on_cut` is called when a `cut_after` is reached, before the connections are reset: to kill a process just there.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.on_cut: Callable[[], object] | None = None
        self._fault = FINE
        self._turn = threading.Lock()
        self._passed = {"requests": 0, "answers": 0}
        self._swallowed = 0
        self._pairs: set[_Pair] = set()
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()

    @property
    def fault(self) -> Fault:
        """What is wrong now."""
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        with self._turn:
            self._fault = fault
            self._passed = {"requests": 0, "answers": 0}
            self._swallowed = 0
            open_pairs = list(self._pairs)
        if fault.refuse:
            for pair in open_pairs:
                pair.reset()

    @property
    def passed(self) -> dict[str, int]:
        """Bytes that went through each way since the fault was set."""
        with self._turn:
            return dict(self._passed)

    @property
    def swallowed(self) -> int:
        """Bytes that vanished since the fault was set."""
        with self._turn:
            return self._swallowed

    @property
    def connections(self) -> int:
        """How many are open."""
        with self._turn:
            return len(self._pairs)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        # A blocked accept() does not notice that its socket is closed.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._turn:
            open_pairs = list(self._pairs)
        for pair in open_pairs:
            pair.reset()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._fault.refuse:
                _reset(client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            pair = _Pair(client, server)
            with self._turn:
                self._pairs.add(pair)
            self._start(lambda pair=pair: self._pump(pair, pair.client, pair.server, "requests"))  # type: ignore[misc]
            self._start(lambda pair=pair: self._pump(pair, pair.server, pair.client, "answers"))  # type: ignore[misc]

    def _pump(self, pair: _Pair, source: socket.socket, target: socket.socket, way_name: str) -> None:
        try:
            while chunk := source.recv(CHUNK_BYTES):
                way: Way = getattr(self._fault, way_name)
                if way.action == "lose":
                    pair.reset()
                    return
                if way.action == "end":
                    break
                if way.action == "swallow":
                    with self._turn:
                        self._swallowed += len(chunk)
                elif not self._forward(pair, target, chunk, way_name):
                    return
            pair.end_towards(target)
        except OSError:
            pair.reset()
        finally:
            if pair.closed:
                with self._turn:
                    self._pairs.discard(pair)

    def _forward(self, pair: _Pair, target: socket.socket, chunk: bytes, way_name: str) -> bool:
        way: Way = getattr(self._fault, way_name)
        if way.action == "garble":
            chunk = (GARBAGE * (len(chunk) // len(GARBAGE) + 1))[: len(chunk)]
        allowed = len(chunk)
        with self._turn:
            if way.cut_after is not None:
                allowed = min(allowed, max(0, way.cut_after - self._passed[way_name]))
            self._passed[way_name] += allowed
        for piece in [chunk[n : n + 1] for n in range(allowed)] if way.action == "drip" else [chunk[:allowed]]:
            target.sendall(piece)
        if allowed == len(chunk):
            return True
        on_cut = self.on_cut  # whoever set it may take it away meanwhile
        if on_cut is not None:
            on_cut()
        pair.reset()
        return False


class _Pair:
    """Both ends of one connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.closed = False
        self._halves = 0
        self._turn = threading.Lock()

    def end_towards(self, target: socket.socket) -> None:
        """One way ends politely; with the second, the connection does. Nothing if it was reset meanwhile."""
        with self._turn:
            if self.closed:
                return
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_WR)
            self._halves += 1
            if self._halves < 2:
                return
            self.closed = True
        self.client.close()
        self.server.close()

    def reset(self) -> None:
        """End both at once, with RST."""
        with self._turn:
            if self.closed:
                return
            self.closed = True
        for one in (self.client, self.server):
            _reset(one)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # Closing alone would not wake a thread that reads from it; after a shutdown of reading, close still sends RST.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RD)
    connection.close()
