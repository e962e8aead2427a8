"""UUIDv7 identifiers made from the gateway's clock, so that their order is the order of arrival (RFC 9562, 5.7)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

Clock = Callable[[], datetime]
"""Answers the present time, aware, in UTC. Tests put their own in."""


def utc_now() -> datetime:
    """The present time of this machine."""
    return datetime.now(UTC)


def uuid7(at: datetime) -> UUID:
    """A new identifier of that moment; 12 bits hold the fraction of its millisecond (RFC 9562, 6.2, method 3)."""
    milliseconds, micros = divmod(_microseconds(at), 1000)
    fraction = micros * 4096 // 1000
    return UUID(int=_compose(milliseconds, fraction, secrets.randbits(62)))


def first_uuid7(at: datetime) -> UUID:
    """The lowest identifier of that millisecond: identifiers made from then on are not below it."""
    return UUID(int=_compose(_microseconds(at) // 1000, 0, 0))


def _microseconds(at: datetime) -> int:
    elapsed = at - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds)


def _compose(milliseconds: int, fraction: int, rest: int) -> int:
    return milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | rest
