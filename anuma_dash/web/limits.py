"""Rate limits: in memory for one process, in Redis for several.

Only acts are limited (signing in, making keys), never reading: without Redis acts are refused, and pages still open.
Each view counts apart from the others; a signed-in person counts as a person, anybody else by their network.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from flask import Flask
from flask_limiter import Limiter
from limits import parse
from limits.errors import StorageError

from anuma_dash.web.state import client_address, viewer

IPV6_SITE_BITS = 64


def network(address: str) -> str:
    """What counts as one visitor: an IPv4 address, or an IPv6 /64, which one household has to itself (RFC 6177)."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ip_network((found, IPV6_SITE_BITS), strict=False))
    return address


def _who() -> str:
    found = viewer()
    return f"user:{found.user.id}" if found else f"address:{network(client_address())}"


def by_address() -> str:
    """The network of the browser, for limits that count it whoever is signed in."""
    return f"address:{network(client_address())}"


limiter = Limiter(key_func=_who, default_limits=[], headers_enabled=False)


def install(app: Flask, redis_url: str) -> None:
    """Bind the limits to the application. Without Redis they count within this process."""
    app.config["RATELIMIT_STORAGE_URI"] = redis_url or "memory://"
    app.config["RATELIMIT_STORAGE_OPTIONS"] = {"wrap_exceptions": True}
    app.config["RATELIMIT_STRATEGY"] = "moving-window"
    limiter.init_app(app)


def within(limit: str, action: str) -> bool:
    """Count one act of this visitor; False if it is one too many, or if counting is impossible.

    For what is dropped without a word. Everything else bears `@limiter.limit`, which answers 429.
    """
    try:
        return limiter.limiter.hit(parse(limit), action, network(client_address()))
    except StorageError:
        return False
