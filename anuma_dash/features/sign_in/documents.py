"""What a provider publishes about itself: its description (OpenID Connect Discovery 1.0), its keys, its userinfo."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from anuma_dash.errors import DashboardError, SignInRefused
from anuma_dash.features.sign_in.strict_json import json_object
from anuma_dash.outbound import Answer, Outbound, OutboundError
from anuma_dash.settings import Provider

KEPT_SECONDS = 3600
QUIET_SECONDS = 60
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
WELCOME = ("userinfo_endpoint", "end_session_endpoint")

log = structlog.get_logger()


class ProviderDown(DashboardError):
    """The provider gave no usable answer; nothing is known about the person."""


class Allowance:
    """So many acts within so many seconds, in this process."""

    def __init__(self, times: int, seconds: float) -> None:
        self._seconds = seconds
        self._taken: deque[float] = deque(maxlen=times)

    def take(self) -> bool:
        """Whether one more act is allowed now; if so it counts."""
        present = time.monotonic()
        if len(self._taken) == self._taken.maxlen and present - self._taken[0] < self._seconds:
            return False
        self._taken.append(present)
        return True


class ProviderDocuments:
    """The documents of one provider, fetched when needed and kept for an hour."""

    def __init__(self, provider: Provider, outbound: Outbound | None = None) -> None:
        self.provider = provider
        self._outbound = outbound or Outbound(provider.issuer)
        self._metadata: dict[str, Any] = {}
        self._metadata_at = 0.0
        self._keys: list[dict[str, Any]] | None = None
        self._keys_at = 0.0
        self._down_at = -math.inf

    def metadata(self) -> dict[str, Any]:
        """The provider's description. Raises `ProviderDown`, and `SignInRefused` if it names another issuer."""
        if self._is_fresh():
            return self._metadata
        document = self.fetch(self.provider.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.provider.issuer:
            raise SignInRefused("The provider's own description names another provider.")
        for name in (*NEEDED, *WELCOME):
            if (name in NEEDED or document.get(name) is not None) and not self._is_address(document.get(name)):
                raise self.down("describes itself incompletely", f"no usable {name}")
        self._metadata, self._metadata_at = document, time.monotonic()
        return document

    def metadata_if_at_hand(self) -> dict[str, Any]:
        """The same for pages that can do without: empty if it cannot be had, or could not within the last minute."""
        if not self._is_fresh() and time.monotonic() - self._down_at < QUIET_SECONDS:
            return {}
        try:
            return self.metadata()
        except (ProviderDown, SignInRefused):
            return {}

    def _is_fresh(self) -> bool:
        return bool(self._metadata) and time.monotonic() - self._metadata_at < KEPT_SECONDS

    def _is_address(self, value: object) -> bool:
        # Some of them become links of ours, so nothing but http; and never plain http for an issuer on https.
        schemes = ("https",) if self.provider.issuer.startswith("https://") else ("http", "https")
        try:
            parts = urlsplit(value) if isinstance(value, str) else None
        except ValueError:
            return False
        return parts is not None and parts.scheme in schemes and bool(parts.hostname)

    def keys(self, again: Allowance | None = None, first: Allowance | None = None) -> list[dict[str, Any]]:
        """The keys that the provider publishes, as they are (RFC 7517). Raises `ProviderDown`.

        With `again` they are fetched anew if that allowance is not used up: a thousand made-up key ids must not become
        a thousand requests to the provider. With `first` they are fetched for the first time, or after an hour, only if
        that one is not used up: nor must a thousand made-up tokens each wait for a provider that does not answer.
        """
        stale = self._keys is None or time.monotonic() - self._keys_at > KEPT_SECONDS
        if stale and first is not None and not first.take():
            raise ProviderDown(f"{self.provider.label} did not answer a moment ago.")
        if stale or (again is not None and again.take()):
            keys = self.fetch(self.metadata()["jwks_uri"]).get("keys")
            if not isinstance(keys, list):
                raise self.down("publishes keys that cannot be read", "no list of keys")
            self._keys = [key for key in keys if isinstance(key, dict)]
            self._keys_at = time.monotonic()
        return self._keys or []

    def fetch(self, url: str, bearer: str = "") -> dict[str, Any]:
        """A JSON object of the provider's. Raises `ProviderDown`."""
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        answer = self.send("GET", url, headers)
        if answer.status != 200:
            raise self.down("does not answer as it should", f"status {answer.status}")
        return self.parsed(answer)

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """The provider's answer, whatever its status. Raises `ProviderDown`."""
        try:
            return self._outbound.send(method, url, headers, body)
        except OutboundError as error:
            raise self.down("does not answer", str(error)) from None

    def parsed(self, answer: Answer) -> dict[str, Any]:
        """The JSON object in an answer. Raises `ProviderDown`."""
        try:
            return json_object(answer.body)
        except ValueError:
            raise self.down("does not answer as it should", "no JSON object") from None

    def down(self, words: str, fault: str) -> ProviderDown:
        """The error for people; `fault` is logged for operators, and quotes nothing that was received."""
        self._down_at = time.monotonic()
        log.warning("provider fault", provider=self.provider.slug, fault=fault)
        return ProviderDown(f"{self.provider.label} {words}.")
