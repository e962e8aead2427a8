"""Signed tokens of a provider: header and signature, strictly (RFC 7515, RFC 8725)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in.documents import Allowance, ProviderDocuments
from anuma_dash.features.sign_in.strict_json import json_object

LARGEST_TOKEN_BYTES = 16_384
RSA_BITS = range(2048, 8193)
KEY_MEMBERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
OWN_KEYS = {"jwk", "jku", "x5c", "x5u"}
UNREADABLE = (JoseError, ValueError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class TokenKind:
    """What a token is called, and the `typ` that it may bear; empty if it may bear none (RFC 8725, 3.11).

    `from_anybody`: it comes without any trip that began here.
    """

    name: str
    types: tuple[str, ...]
    key_fetches_a_minute: int
    from_anybody: bool


ID_TOKEN = TokenKind("ID token", ("jwt", ""), 5, from_anybody=False)
# Anybody may send a logout token, so they have an allowance of their own: nobody can use up that of the sign-ins.
LOGOUT_TOKEN = TokenKind("logout token", ("logout+jwt",), 2, from_anybody=True)


class SignedTokens:
    """Reads the tokens of one kind that one provider has signed."""

    def __init__(self, documents: ProviderDocuments, kind: TokenKind) -> None:
        self.kind = kind
        self._documents = documents
        self._algorithms = documents.provider.signing_algorithms
        self._again = Allowance(kind.key_fetches_a_minute, 60)
        self._first = Allowance(kind.key_fetches_a_minute, 60) if kind.from_anybody else None

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token whose header and signature hold. Raises `SignInRefused`, `ProviderDown`."""
        header = self._header(token)
        key = self._key(header)
        try:
            checked = jws.deserialize_compact(token, JWKRegistry.import_key(key), algorithms=list(self._algorithms))
        except UNREADABLE:
            raise self._refusal("signature does not hold") from None
        try:
            return json_object(checked.payload or b"")
        except ValueError:
            raise self._refusal("claims cannot be read") from None

    def _header(self, token: str) -> Mapping[str, Any]:
        if len(token) > LARGEST_TOKEN_BYTES:
            raise self._refusal("size is more than 16 KB")
        try:
            header = jws.extract_compact(token.encode()).headers()
        except UNREADABLE:
            raise self._refusal("form is that of no token") from None
        if header.get("alg") not in self._algorithms:
            raise self._refusal("algorithm is not one that was agreed on")
        if OWN_KEYS & set(header):
            raise self._refusal("header brings its own key")
        if "crit" in header:
            raise self._refusal("header asks for what this site does not understand")
        if str(header.get("typ", "")).lower().removeprefix("application/") not in self.kind.types:
            raise self._refusal("type is another one")
        return header

    def _key(self, header: Mapping[str, Any]) -> dict[str, Any]:
        for again in (None, self._again):
            keys = [key for key in self._documents.keys(again, self._first) if _fits(key, header)]
            if len(keys) == 1:
                (key,) = keys
                if key["kty"] == "RSA" and _bits(key.get("n")) not in RSA_BITS:
                    raise self._refusal("key is too weak")
                return {name: key.get(name) for name in ("kty", *KEY_MEMBERS[key["kty"]])}
        raise self._refusal("key is none that the provider publishes")

    def _refusal(self, words: str) -> SignInRefused:
        return SignInRefused(f"The {self.kind.name} is not accepted: its {words}.")


def _fits(key: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
    algorithm, acts = header["alg"], key.get("key_ops", ["verify"])
    kind = {"ES": "EC", "RS": "RSA", "PS": "RSA", "Ed": "OKP"}[algorithm[:2]]
    return (
        key.get("kty") == kind
        and key.get("crv") == CURVES.get(algorithm)
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and isinstance(acts, list)
        and "verify" in acts
        and (header.get("kid") is None or key.get("kid") == header["kid"])
    )


def _bits(number: object) -> int:
    # The size of a number in base64url (RFC 7518, 2); 0 if it is none.
    try:
        return int.from_bytes(base64.urlsafe_b64decode(str(number) + "==")).bit_length()
    except ValueError:
        return 0
