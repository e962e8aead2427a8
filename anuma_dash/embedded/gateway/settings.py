"""The gateway's settings, read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretBytes, SecretStr, model_validator

ECHO_MODEL = "anuma/echo"
BUILT_IN_PROVIDER = "anuma"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PricedModel(_Frozen):
    """A model of a provider. Prices are micro-USD per million tokens; `upstream_id` is the provider's name for it."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    input_micro_usd_per_million: Annotated[int, Field(ge=0)]
    output_micro_usd_per_million: Annotated[int, Field(ge=0)]
    upstream_id: str | None = None


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    return url.rstrip("/")


class Provider(_Frozen):
    """An OpenAI-compatible provider, with its own retention and training terms as known."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    base_url: Annotated[str, AfterValidator(_http_url)]
    api_key: SecretStr
    models: tuple[PricedModel, ...]
    retention: Annotated[str, Field(max_length=500)] = "unknown: assume that it retains"
    training: Annotated[str, Field(max_length=500)] = "unknown: assume that it trains"
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0


class KeyEncryptionKey(_Frozen):
    """A 256-bit key that wraps data keys, with the identifier that the rows wrapped by it carry."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    secret: SecretBytes


class Settings(_Frozen):
    """Everything that the gateway can be told. Make it with `environment.load_settings`."""

    environment: Literal["development", "production"]
    instance: Path
    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    database_url: SecretStr
    keys_database_url: SecretStr
    trusted_jwks_file: Path
    key_encryption_keys: Annotated[tuple[KeyEncryptionKey, ...], Field(min_length=1)]
    """The first one wraps new data keys; the others still unwrap."""
    providers: tuple[Provider, ...] = ()
    log_file: Path | None = None
    log_to_stderr: bool = True
    max_body_bytes: Annotated[int, Field(gt=0)] = 10 * 1024 * 1024
    deletion_batch: Annotated[int, Field(gt=0, le=5000)] = 500
    """Rows that a deletion erases in one transaction."""
    max_provider_body_bytes: Annotated[int, Field(gt=0)] = 32 * 1024 * 1024

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        models = [model.id for provider in self.providers for model in provider.models]
        if len(set(models)) != len(models) or ECHO_MODEL in models:
            raise ValueError("providers: each model id may be given once, and anuma/echo is built in")
        names = [BUILT_IN_PROVIDER, *(provider.name for provider in self.providers)]
        if len(set(names)) != len(names):
            raise ValueError(f"providers: each name may be given once, and {BUILT_IN_PROVIDER} is built in")
        identifiers = [key.id for key in self.key_encryption_keys]
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("key-encryption keys: each identifier may be given once")
        return self
