"""What a provider publishes about itself: its description (OpenID Connect Discovery 1.0), its keys, its userinfo."""

from __future__ import annotations

import time
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from anuma_dash.errors import DashboardError, SignInRefused
from anuma_dash.settings import Provider

LARGEST_DOCUMENT_BYTES = 262_144
METADATA_SECONDS = 3600
KEYS_AGAIN_AFTER_SECONDS = 60
TIMEOUT_SECONDS = 5.0


class ProviderDown(DashboardError):
    """The provider gave no usable answer; nothing is known about the person."""


class ProviderDocuments:
    """The documents of one provider, fetched when needed and kept for an hour."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self._metadata: dict[str, Any] = {}
        self._metadata_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    def metadata(self) -> dict[str, Any]:
        """The provider's description. Raises `ProviderDown`, and `SignInRefused` if it names another issuer."""
        if self._metadata and time.monotonic() - self._metadata_at < METADATA_SECONDS:
            return self._metadata
        document = self.fetch(self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.provider.issuer:
            raise SignInRefused("The provider's own description names another provider.")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(document.get(name), str):
                raise ProviderDown(f"{self.provider.label} describes itself incompletely.")
        self._metadata, self._metadata_at = document, time.monotonic()
        return document

    def keys(self, *, refresh: bool) -> KeySet:
        """The provider's signing keys. Raises `ProviderDown`.

        An unknown key is looked for once a minute at most (`refresh`): a thousand made-up key ids must not become a
        thousand requests to the provider.
        """
        age = time.monotonic() - self._keys_at
        if self._keys is None or age > METADATA_SECONDS or (refresh and age > KEYS_AGAIN_AFTER_SECONDS):
            document = self.fetch(self.metadata()["jwks_uri"])
            try:
                self._keys = KeySet.import_key_set({"keys": document.get("keys", [])})
            except (JoseError, ValueError, KeyError, TypeError):
                raise ProviderDown(f"{self.provider.label} publishes keys that cannot be read.") from None
            self._keys_at = time.monotonic()
        return self._keys

    def fetch(self, url: str, bearer: str = "") -> dict[str, Any]:
        """A JSON object of the provider's. Raises `ProviderDown`."""
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        try:
            with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                response = client.get(url, headers=headers)
            if response.status_code != 200 or len(response.content) > LARGEST_DOCUMENT_BYTES:
                raise ProviderDown(f"{self.provider.label} does not answer as it should.")
            document = response.json()
        except (httpx.HTTPError, ValueError):
            raise ProviderDown(f"{self.provider.label} does not answer.") from None
        if not isinstance(document, dict):
            raise ProviderDown(f"{self.provider.label} does not answer as it should.")
        return document
