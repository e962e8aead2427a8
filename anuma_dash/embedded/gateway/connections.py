"""Connections to the providers: HTTP/1.1 on asyncio's sockets, kept open between requests.

h11 reads and writes the protocol, as it does below httpx and uvicorn; what httpx adds to it took longer than everything
else that the gateway does for a request (docs/decisions/040-the-hot-path.md). No proxy, no cookies, no redirects.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import h11
import httpx

Headers = Sequence[tuple[bytes, bytes]]
_MAX_IDLE = 100
_IDLE_SECONDS = 5.0
"""Shorter than providers keep a connection themselves, so that none ends while a request is on its way."""
_MAX_HEAD_BYTES = 100 * 1024
_MAX_UNREAD_BYTES = 256 * 1024
_PLAIN = (b"", b"identity")
"""What is asked for, so the only encodings of an answer: nothing is decompressed here, where all others would wait."""
_HAPPY_EYEBALLS_SECONDS = 0.25


class Broken(Exception):
    """There is no connection, it ended too early, or the other side spoke something else."""


@dataclass(frozen=True)
class Target:
    """Where a request goes."""

    host: str
    port: int
    tls: bool
    path: bytes
    authority: bytes

    @classmethod
    def of(cls, url: str) -> Target:
        """The target of an http or https URL."""
        parts = httpx.URL(url)
        tls = parts.scheme == "https"
        host = parts.raw_host.decode("ascii")
        return cls(host, parts.port or (443 if tls else 80), tls, parts.raw_path, parts.netloc)

    @property
    def origin(self) -> tuple[str, int, bool]:
        """What requests over one connection have in common."""
        return self.host, self.port, self.tls


@dataclass
class Times:
    """By when the next byte must be here, and the last: moments of the event loop's clock.

    Args:
        connect: how long connecting may take, in seconds.
        silence: how long nothing may come once something has, in seconds.
    """

    connect: float
    silence: float
    byte_by: float
    end_by: float

    def next_byte(self) -> float:
        """By when the next byte must be here."""
        return min(self.byte_by, self.end_by)

    def heard(self, now: float) -> None:
        """Something came, and has been used."""
        self.byte_by = now + self.silence


class Connections:
    """The connections that are open and idle, of one event loop.

    Args:
        trusted: the certificate authorities; those that httpx brings if none are given.
    """

    def __init__(self, trusted: ssl.SSLContext | None = None) -> None:
        self._given = trusted
        self._idle: dict[tuple[str, int, bool], deque[_Connection]] = {}

    async def post(self, target: Target, headers: Headers, body: bytes, times: Times) -> Answer:
        """Send a request; the answer's head is here when this returns. Close what it gives.

        Raises:
            Broken: there is no answer.
            TimeoutError: not in time.
        """
        connection = self._reuse(target) or await self._connect(target, times)
        answer = Answer(self, target, connection, times)
        try:
            connection.send(target, headers, body)
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def keep(self, target: Target, connection: _Connection) -> None:
        """Take back a connection whose answer is whole."""
        idle = self._idle.setdefault(target.origin, deque())
        now = connection.loop.time()
        while idle and (len(idle) >= _MAX_IDLE or idle[0].idle_until < now):
            idle.popleft().close()
        connection.idle_until = now + _IDLE_SECONDS
        idle.append(connection)

    def close(self) -> None:
        """Hang up what is idle."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    @cached_property
    def _trusted(self) -> ssl.SSLContext:
        context = self._given or httpx.create_ssl_context(trust_env=False)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _reuse(self, target: Target) -> _Connection | None:
        idle = self._idle.get(target.origin)
        while idle:
            connection = idle.pop()
            if connection.is_usable():
                return connection
            connection.close()
        return None

    async def _connect(self, target: Target, times: Times) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(times.next_byte(), loop.time() + times.connect)):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop),
                    target.host,
                    target.port,
                    ssl=self._trusted if target.tls else None,
                    happy_eyeballs_delay=_HAPPY_EYEBALLS_SECONDS,
                )
        except TimeoutError:
            raise
        except (OSError, UnicodeError) as error:
            raise Broken from error
        return connection


class Answer:
    """An answer whose head is here; its body comes by `read`."""

    def __init__(self, connections: Connections, target: Target, connection: _Connection, times: Times) -> None:
        self.status = 0
        self._headers: dict[bytes, bytes] = {}
        self._connections = connections
        self._target = target
        self._connection: _Connection | None = connection
        self._times = times

    def header(self, name: bytes) -> str:
        """A header's value, "" if there is none; the name in lower case."""
        return self._headers.get(name, b"").decode("latin-1")

    async def begin(self) -> None:
        """Wait for the head."""
        assert self._connection is not None
        while not isinstance(event := self._connection.next_event(), h11.Response):
            if event is h11.NEED_DATA:
                await self._connection.wait(self._times.next_byte())
            elif not isinstance(event, h11.InformationalResponse):  # those may go before it (RFC 9110, 15.2)
                raise Broken
        self.status = event.status_code
        self._headers = dict(event.headers)
        if any(name == b"content-encoding" and value.lower() not in _PLAIN for name, value in event.headers):
            raise Broken

    async def read(self) -> bytes:
        """What has come of the body since; b"" at its end.

        Raises:
            Broken: it ended too early.
            TimeoutError: nothing came in time.
        """
        while self._connection is not None:
            if data := self._come(self._connection):
                return data
            if self._connection is not None:
                await self._connection.wait(self._times.next_byte())
        return b""

    def _come(self, connection: _Connection) -> bytes:
        parts: list[bytes] = []
        while (event := connection.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                parts.append(event.data)
            else:
                self._ended(connection)
                break
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if data:
            self._times.heard(connection.loop.time())
        return bytes(data)

    def _ended(self, connection: _Connection) -> None:
        self._connection = None
        if connection.start_again():
            self._connections.keep(self._target, connection)
        else:
            connection.close()

    def close(self) -> None:
        """Hang up at once if something is still to come."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


class _Connection(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.idle_until = 0.0
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._unread = bytearray()
        self._paused = self._ended = self._end_told = False
        self._waiting: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._by = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep it until somebody reads; whoever reads slowly lets the provider wait."""
        self._unread += data
        if len(self._unread) > _MAX_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """It has ended, whoever did it."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def send(self, target: Target, headers: Headers, body: bytes) -> None:
        """Send a request, all of it."""
        length = (b"content-length", b"%d" % len(body))
        named = [(b"host", target.authority), *headers, length]
        try:
            head = self._http.send(h11.Request(method=b"POST", target=target.path, headers=named))
            self._http.send_with_data_passthrough(h11.Data(data=body))
            self._http.send(h11.EndOfMessage())
        except h11.LocalProtocolError as error:
            raise Broken from error
        assert head is not None
        self._transport.writelines((head, body))

    def next_event(self) -> object:
        """What h11 makes of what has come, `h11.NEED_DATA` if that is not enough."""
        try:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._unread:
                self._http.receive_data(bytes(self._unread))
                self._unread.clear()
                self._resume()
            elif self._ended:
                if self._end_told:
                    raise Broken
                self._end_told = True
                self._http.receive_data(b"")
            else:
                return event
            return self._http.next_event()
        except h11.RemoteProtocolError as error:
            raise Broken from error

    def _resume(self) -> None:
        if self._paused and not self._ended:
            self._paused = False
            self._transport.resume_reading()

    async def wait(self, by: float) -> None:
        """Until something has come, or the connection has ended.

        Raises:
            TimeoutError: nothing has, until this moment of the loop's clock.
        """
        if self._unread or self._ended:
            return
        self._by = by
        if self._alarm is None or self._alarm.when() > by:
            self._set_alarm()
        self._waiting = self.loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _set_alarm(self) -> None:
        """One for many waits: each would otherwise cost one more."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self.loop.call_at(self._by, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        if self._waiting is None or self._waiting.done():
            return
        if self.loop.time() < self._by:
            self._set_alarm()
        else:
            self._waiting.set_exception(TimeoutError())

    def is_usable(self) -> bool:
        """Whether an idle connection takes another request: not past its time, and nothing has come or ended."""
        if self._ended or self._unread or self.idle_until < self.loop.time():
            return False
        poll = select.poll()  # what has come since the loop last looked
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)

    def start_again(self) -> bool:
        """Whether another request may follow on this connection: nobody answers what was not asked yet."""
        if self._ended or self._unread or self._http.trailing_data[0]:
            return False
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def close(self) -> None:
        """Hang up."""
        self._let_go()
        self._transport.close()

    def abort(self) -> None:
        """Hang up in the middle."""
        self._let_go()
        self._transport.abort()

    def _let_go(self) -> None:
        self._ended = True
        if self._alarm is not None:
            self._alarm.cancel()
