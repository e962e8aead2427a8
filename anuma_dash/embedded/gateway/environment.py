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
_NEEDED_IN_PRODUCTION: Final = ("DATABASE_URL", "KEYS_DATABASE_URL", "KEK_FILES", "TRUSTED_JWKS_FILE")


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
            "key_encryption_keys": self._key_encryption_keys(),
            "providers": self._providers(),
            "log_file": self._log_file(),
            "log_to_stderr": self._get("LOG_TO_STDERR") or True,
            "deletion_batch": self._get("DELETION_BATCH") or 500,
        }

    def _get(self, name: str) -> str:
        return self.environ.get(PREFIX + name, "").strip()

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
        named = self._get("KEK_FILES") or self._get("KEK_FILE")
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
        weakness = _weakness(path, secret)
        if weakness and (self.production or len(secret) != 32):
            self.problems.append(f"{label}: {weakness}")
            return None
        try:
            return KeyEncryptionKey(id=identifier, secret=SecretBytes(secret))
        except ValidationError:
            self.problems.append(f"{label}: give it as identifier:path")
            return None


def _weakness(path: Path, secret: bytes) -> str | None:
    if len(secret) != 32:
        return "must be 32 bytes in base64url"
    if len(set(secret)) < 12:
        return "is not random"
    if path.stat().st_mode & 0o077:
        return "its file can be read by others; make it 0600"
    return None


def _development_key(path: Path) -> Path:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    return path
