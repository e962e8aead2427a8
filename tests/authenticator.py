"""A software authenticator (Web Authentication Level 3) that does what a test wants, also what no real one would do."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

ORIGIN = "http://localhost:8000"
USER_PRESENT, USER_VERIFIED, CREDENTIAL_INCLUDED = 0x01, 0x04, 0x40


class Authenticator:
    """One passkey and its counter. `changes` of `create` and `get` replace what an honest answer would say."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(16)
        self.count = 0

    def create(self, options: str, **changes: Any) -> str:
        """The answer to `navigator.credentials.create()`."""
        asked = json.loads(options)
        client_data = _client_data("webauthn.create", asked["challenge"], changes)
        credential = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self._public_key()
        flags = changes.get("flags", USER_PRESENT | USER_VERIFIED) | CREDENTIAL_INCLUDED
        data = self._data(changes.get("rp_id", asked["rp"]["id"]), flags, changes) + credential
        attestation = cbor({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": text(client_data), "attestationObject": text(attestation), "transports": ["usb"]}
        return self._answer(response)

    def get(self, options: str, **changes: Any) -> str:
        """The answer to `navigator.credentials.get()`."""
        asked = json.loads(options)
        self.count += 1
        client_data = _client_data("webauthn.get", asked["challenge"], changes)
        flags = changes.get("flags", USER_PRESENT | USER_VERIFIED)
        data = self._data(changes.get("rp_id", asked["rpId"]), flags, changes)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        data = changes.get("data_afterwards", data)
        response = {
            "clientDataJSON": text(client_data),
            "authenticatorData": text(data),
            "signature": text(changes.get("signature", signature)),
        }
        return self._answer(response)

    def _answer(self, response: dict[str, Any]) -> str:
        name = text(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})

    def _data(self, rp_id: str, flags: int, changes: dict[str, Any]) -> bytes:
        count = changes.get("count", self.count)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _public_key(self) -> bytes:
        point = self.key.public_key().public_numbers()
        return cbor({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})


def _client_data(kind: str, challenge: str, changes: dict[str, Any]) -> bytes:
    said = {"type": kind, "challenge": challenge, "origin": ORIGIN, "crossOrigin": False}
    return json.dumps(said | changes.get("client_data", {})).encode()


def text(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def cbor(value: Any) -> bytes:
    """The few kinds of CBOR (RFC 8949) that an authenticator writes."""
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(cbor(key) + cbor(one) for key, one in value.items())
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    data = value.encode() if isinstance(value, str) else value
    return _head(3 if isinstance(value, str) else 2, len(data)) + data


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    return bytes([major << 5 | 24, number]) if number < 256 else bytes([major << 5 | 25]) + number.to_bytes(2, "big")
