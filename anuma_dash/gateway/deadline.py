"""One deadline over a whole call: httpx counts its timeouts from byte to byte, so a peer that drips could hold it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpcore
import httpx

_call = threading.local()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Within this block, calls of this thread through a `DeadlineBackend` end after so many seconds altogether.

    A block inside another ends no later than the outer one.
    """
    outer: float | None = getattr(_call, "ends_at", None)
    ends_at = time.monotonic() + seconds
    _call.ends_at = ends_at if outer is None else min(ends_at, outer)
    try:
        yield
    finally:
        _call.ends_at = outer


def _left(timeout: float | None) -> float | None:
    ends_at: float | None = getattr(_call, "ends_at", None)
    if ends_at is None:
        return timeout
    left = ends_at - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the whole call took too long")
    return left if timeout is None else min(left, timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class DeadlineBackend(httpcore.SyncBackend):
    """The ordinary network, whose connections obey `deadline`."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(host, port, _left(timeout), local_address, socket_options))


@cache
def _trusted_authorities() -> ssl.SSLContext:
    # Reading the list of authorities takes longer than most calls.
    return httpx.create_ssl_context(trust_env=False)


class DeadlineTransport(httpx.HTTPTransport):
    """The ordinary transport, whose connections obey `deadline`."""

    def __init__(self, limits: httpx.Limits) -> None:
        super().__init__(verify=_trusted_authorities(), limits=limits, trust_env=False)
        # httpx offers no parameter for the pool's network; the pool is made as it makes it, with ours.
        self._pool.close()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trusted_authorities(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=DeadlineBackend(),
        )
