"""The format of API keys: `anuma_live_` or `anuma_test_`, 30 base62 characters, 6 of checksum.

The checksum lets a typo be refused without a look-up and secret scanners match without false alarms. Keys are
random (178 bits), so a plain SHA-256 is stored, not a slow password hash.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from typing import Final

from anuma_dash.gateway.schemas import KeyEnvironment

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE: Final = re.compile(r"anuma_(?:live|test)_[0-9A-Za-z]{36}", re.ASCII)
_RANDOM_LENGTH: Final = 30
_CHECKSUM_LENGTH: Final = 6
PREFIX_LENGTH: Final = 15
"""How much of a key may be shown: the environment and four random characters."""


def new_secret(environment: KeyEnvironment) -> str:
    """A new key in clear text. Show it once and keep only its hash."""
    body = f"anuma_{environment}_" + "".join(secrets.choice(ALPHABET) for _ in range(_RANDOM_LENGTH))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 of all that goes before it, as six base62 digits."""
    value = zlib.crc32(body.encode())
    digits = []
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def is_well_formed(presented: str) -> bool:
    """Whether this can be a key at all: shape and checksum."""
    if not _SHAPE.fullmatch(presented):
        return False
    return checksum(presented[:-_CHECKSUM_LENGTH]) == presented[-_CHECKSUM_LENGTH:]


def fingerprint(secret: str) -> bytes:
    """What is stored in place of the key."""
    return hashlib.sha256(secret.encode()).digest()
