"""Requests to addresses that somebody else names, such as those in an identity provider's description.

The address is checked where the connection is made: a name is resolved once, and what was checked is what is connected
to, so that no second answer of the DNS can lead elsewhere. Redirects are not followed, cookies are not kept, an answer
is bounded while it is read, and one deadline lies over the whole request (see decision 012).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx

from anuma_dash.errors import DashboardError
from anuma_dash.gateway.deadline import DeadlineBackend, deadline

LARGEST_ANSWER_BYTES = 262_144
DEADLINE_SECONDS = 5.0
MOST_CONNECTIONS = 20
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
Resolver = Callable[[str, int], list[str]]


class OutboundError(DashboardError):
    """There is no usable answer. The text is for operators and quotes nothing that was received."""


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name. Raises `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet (IANA special-purpose registries; RFC 6598, RFC 6052).

    IPv6 addresses that wrap an IPv4 one are judged by what they wrap, or are not public at all.
    """
    found: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped
        if inner is None and found in NAT64:
            inner = IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is None:
            wraps = found.sixtofour is not None or found.teredo is not None
            return found in GLOBAL_UNICAST and found.is_global and not wraps
        found = inner
    return found.is_global and not found.is_multicast and not found.is_reserved


class _CheckedBackend(DeadlineBackend):
    def __init__(self, trusted: tuple[str, int], resolve: Resolver) -> None:
        self._trusted = trusted
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("the name has no address")
        for address in self._addresses(host, port):
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = self._resolve(host, port)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name cannot be resolved") from None
        if (host, port) != self._trusted and not all(is_public(address) for address in found):
            raise OutboundError("refused: an address that is not public")
        return found


class Outbound:
    """Sends requests to public addresses, and to the one origin that the operator configured, wherever it is."""

    def __init__(
        self, trusted_origin: str, *, resolve: Resolver = resolve, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        url = httpx.URL(trusted_origin)
        trusted = (url.raw_host.decode(), url.port or {"https": 443}.get(url.scheme, 80))
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context or _public_certificates(),
            max_connections=MOST_CONNECTIONS,
            # No connection outlives its request: each one is resolved and checked anew.
            max_keepalive_connections=0,
            network_backend=_CheckedBackend(trusted, resolve),
        )

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The answer to one request, which no redirect leads away. Raises `OutboundError`."""
        patience = dict.fromkeys(("connect", "read", "write", "pool"), DEADLINE_SECONDS)
        try:
            with (
                deadline(DEADLINE_SECONDS),
                self._pool.stream(
                    method,
                    _checked(url),
                    headers=_headers(headers),
                    content=body,
                    extensions={"timeout": patience},
                ) as response,
            ):
                return Answer(response.status, _read(response))
        except httpcore.TimeoutException:
            raise OutboundError("too slow") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError):
            raise OutboundError("unreachable or not HTTP") from None
        except (httpx.InvalidURL, ValueError):
            raise OutboundError("refused: neither address nor header") from None


@cache
def _public_certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _headers(headers: Mapping[str, str]) -> list[tuple[bytes | str, bytes | str]]:
    ours = {"Accept-Encoding": "identity", "User-Agent": "Anuma-Dashboard"}
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in (ours | dict(headers)).items()]


def _checked(url: str) -> httpcore.URL:
    parsed = httpx.URL(url)
    usable = parsed.scheme in ("http", "https") and parsed.host and not parsed.userinfo
    if not usable or not 0 < (parsed.port or 80) < 65536:
        raise OutboundError("refused: not an http address")
    return httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)


def _read(response: httpcore.Response) -> bytes:
    if any(name.lower() == b"content-encoding" and value != b"identity" for name, value in response.headers):
        raise OutboundError("compressed, which was not asked for")
    body = bytearray()
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > LARGEST_ANSWER_BYTES:
            raise OutboundError("too large")
    return bytes(body)
