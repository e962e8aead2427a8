"""Reading the settings from the environment; in development, making the secrets that are missing."""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretBytes, ValidationError

from .settings import KeyEncryptionKey, Settings

PREFIX: Final = "ANUMA_GATEWAY_"
_NEEDED_IN_PRODUCTION: Final = ("DATABASE_URL", "KEYS_DATABASE_URL", "JOURNAL_FILE", "TRUSTED_JWKS_FILE")
_KEKS: Final = ("KEK_FILES", "KEKS", "KMS")


class SettingsRefused(Exception):
    """The gateway refuses to start. `problems` names each value that is missing or weak, and never shows one."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the gateway refuses to start:\n" + "\n".join(f"- {problem}" for problem in problems))
        self.problems = problems


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: variables to read instead of the process's own.

    Raises:
        SettingsRefused: a value is missing (in production), malformed or weak.
    """
    reader = _Reader(os.environ if environ is None else environ)
    values = reader.values()
    if not reader.problems:
        try:
            return Settings(**values)
        except ValidationError as error:
            reader.problems = [
                f"{PREFIX}{'.'.join(str(part) for part in item['loc']).upper() or 'SETTINGS'}: {item['msg']}"
                for item in error.errors(include_input=False)
            ]
    raise SettingsRefused(reader.problems)


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []
        self.environment = environ.get("ANUMA_ENV", "development")
        self.production = self.environment == "production"
        self.instance = Path(environ.get("ANUMA_INSTANCE", "instance")).absolute()

    def values(self) -> dict[str, Any]:
        if self.environment not in ("development", "production"):
            self.problems.append("ANUMA_ENV must be development or production")
        if self.production:
            self.problems += [f"{PREFIX}{name} is missing" for name in _NEEDED_IN_PRODUCTION if not self._get(name)]
            if not any(self._get(name) for name in _KEKS):
                self.problems.append(f"{PREFIX}KEK_FILES is missing (or {PREFIX}KEKS, or {PREFIX}KMS)")
        self.instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        main = self._get("DATABASE_URL") or f"sqlite:///{self.instance / 'gateway.sqlite'}"
        keys = self._get("KEYS_DATABASE_URL") or f"sqlite:///{self.instance / 'gateway-keys.sqlite'}"
        if main == keys:
            self.problems.append(f"{PREFIX}KEYS_DATABASE_URL must be another database than {PREFIX}DATABASE_URL")
        return {
            "environment": self.environment,
            "instance": self.instance,
            "host": self._get("HOST") or "127.0.0.1",
            "port": self._get("PORT") or 8001,
            "database_url": main,
            "keys_database_url": keys,
            "trusted_jwks_file": self._jwks_file(),
            "kms": self._get("KMS"),
            "key_encryption_keys": self._key_encryption_keys(),
            "providers": self._providers(),
            "journal_file": Path(self._get("JOURNAL_FILE") or self.instance / "gateway-journal.jsonl"),
            "journal_days": self._get("JOURNAL_DAYS") or 35,
            "log_file": self._log_file(),
            "log_to_stderr": self._get("LOG_TO_STDERR") or True,
            "requests_per_minute": self._get("REQUESTS_PER_MINUTE") or 0,
            "body_seconds": self._get("BODY_SECONDS") or 30,
            "max_body_bytes": self._get("MAX_BODY_BYTES") or 10 * 1024 * 1024,
            "max_internal_requests": self._get("MAX_INTERNAL_REQUESTS") or 64,
            "max_public_requests": self._get("MAX_PUBLIC_REQUESTS") or 256,
            "max_streams": self._get("MAX_STREAMS") or 1024,
            "max_account_requests": self._get("MAX_ACCOUNT_REQUESTS") or 128,
            "stalled_seconds": self._get("STALLED_SECONDS") or 60,
            "deletion_batch": self._get("DELETION_BATCH") or 500,
            "purge_minutes": self._get("PURGE_MINUTES") or 15,
            "metrics_token": self._metrics_token(),
        }

    def _get(self, name: str) -> str:
        """The value, or what is in the file that the same name with `_FILE` names."""
        value, file = (self.environ.get(PREFIX + name + suffix, "").strip() for suffix in ("", "_FILE"))
        if value and file:
            self._refuse(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both set")
        if value or not file:
            return value
        try:
            return Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError):
            self._refuse(f"{PREFIX}{name}_FILE names a file that cannot be read")
            return ""

    def _refuse(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _metrics_token(self) -> str:
        token = self._get("METRICS_TOKEN")
        if token and self.production and (len(token) < 32 or len(set(token)) < 10):
            self.problems.append(f"{PREFIX}METRICS_TOKEN is shorter than 32 characters, or easy to guess")
        return token

    def _jwks_file(self) -> Path:
        path = Path(self._get("TRUSTED_JWKS_FILE") or self.instance / "dashboard-jwks.json")
        if self.production and not path.is_file():
            self.problems.append(f"{PREFIX}TRUSTED_JWKS_FILE: there is no file there")
        return path

    def _log_file(self) -> Path | None:
        named = self.environ.get(PREFIX + "LOG_FILE", str(self.instance / "gateway.log")).strip()
        return Path(named) if named else None

    def _providers(self) -> Any:
        try:
            return tuple(json.loads(self._get("PROVIDERS") or "[]"))
        except (ValueError, TypeError):
            self.problems.append(f"{PREFIX}PROVIDERS is not a JSON list")
            return ()

    def _key_encryption_keys(self) -> tuple[KeyEncryptionKey, ...]:
        given = [name for name in _KEKS if self._get(name)]
        if len(given) > 1:
            self.problems.append(f"{' and '.join(PREFIX + name for name in given)} are both set")
            return ()
        if given == ["KMS"]:
            return ()
        if given == ["KEKS"]:
            items = self._get("KEKS").split(",")
            return tuple(key for item in items if item.strip() and (key := self._given_key(item)))
        named = self._get("KEK_FILES")
        if not named and not self.production:
            named = f"dev-1:{_development_key(self.instance / 'gateway-kek.key')}"
        return tuple(key for item in named.split(",") if item and (key := self._key_encryption_key(item)))

    def _key_encryption_key(self, item: str) -> KeyEncryptionKey | None:
        identifier, _, name = item.strip().rpartition(":")
        path = Path(name)
        label = f"{PREFIX}KEK_FILES ({identifier or 'no identifier'})"
        try:
            secret = base64.b64decode(path.read_bytes().strip(), altchars=b"-_", validate=True)
        except (OSError, binascii.Error):
            self.problems.append(f"{label}: no readable file holding 32 bytes in base64url")
            return None
        weakness = _weakness(secret) or _openness(path)
        return self._checked_key(label, identifier, secret, weakness, "path")

    def _given_key(self, item: str) -> KeyEncryptionKey | None:
        identifier, _, text = item.strip().partition(":")
        label = f"{PREFIX}KEKS ({identifier if text else 'no identifier'})"
        try:
            secret = base64.b64decode(text, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            secret = b""
        return self._checked_key(label, identifier, secret, _weakness(secret), "key")

    def _checked_key(
        self, label: str, identifier: str, secret: bytes, weakness: str | None, given_as: str
    ) -> KeyEncryptionKey | None:
        if weakness and (self.production or len(secret) != 32):
            self.problems.append(f"{label}: {weakness}")
            return None
        try:
            return KeyEncryptionKey(id=identifier, secret=SecretBytes(secret))
        except ValidationError:
            self.problems.append(f"{label}: give it as identifier:{given_as}")
            return None


def _weakness(secret: bytes) -> str | None:
    if len(secret) != 32:
        return "must be 32 bytes in base64url"
    return "is not random" if len(set(secret)) < 12 else None


def _openness(path: Path) -> str | None:
    return "its file can be read by others; make it 0600" if path.stat().st_mode & 0o077 else None


def _development_key(path: Path) -> Path:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    return path
