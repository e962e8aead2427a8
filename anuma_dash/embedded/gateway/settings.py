"""The gateway's settings, read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretBytes, SecretStr, model_validator

ECHO_MODEL = "anuma/echo"
BUILT_IN_PROVIDER = "anuma"
EndpointName = Literal["chat/completions", "responses", "embeddings"]


Seconds = Annotated[float, Field(gt=0, le=3600)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PricedModel(_Frozen):
    """A model of a provider. Prices are micro-USD per million tokens; `upstream_id` is the provider's name for it.

    `endpoints` are those at which it can be reached, if not all of its provider's. Credit is reserved for an answer of
    `max_output_tokens` if a request does not say how long its answer may be.
    """

    id: Annotated[str, Field(min_length=1, max_length=200)]
    input_micro_usd_per_million: Annotated[int, Field(ge=0)]
    output_micro_usd_per_million: Annotated[int, Field(ge=0)]
    upstream_id: str | None = None
    max_output_tokens: Annotated[int, Field(gt=0, le=2**31)] = 4096
    endpoints: Annotated[tuple[EndpointName, ...] | None, Field(min_length=1)] = None


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    return url.rstrip("/")


class Provider(_Frozen):
    """An OpenAI-compatible provider, with its own retention and training terms as known.

    Times are in seconds: to connect; of silence, before the first byte and between two (`first_byte_timeout_seconds`
    if the first may take another time); and for the whole answer.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    base_url: Annotated[str, AfterValidator(_http_url)]
    api_key: SecretStr
    models: tuple[PricedModel, ...]
    retention: Annotated[str, Field(max_length=500)] = "unknown: assume that it retains"
    training: Annotated[str, Field(max_length=500)] = "unknown: assume that it trains"
    region: Annotated[str, Field(max_length=200)] = "unknown"
    endpoints: Annotated[tuple[EndpointName, ...], Field(min_length=1)] = ("chat/completions",)
    connect_timeout_seconds: Seconds = 5.0
    timeout_seconds: Seconds = 120.0
    first_byte_timeout_seconds: Seconds | None = None
    total_timeout_seconds: Seconds = 1800.0


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
    key_encryption_keys: tuple[KeyEncryptionKey, ...]
    """The first one wraps new data keys; the others still unwrap. None if `kms` holds them."""
    kms: Annotated[str, Field(pattern=r"^([A-Za-z_][\w.]*:[A-Za-z_]\w*)?$")] = ""
    """`package.module:factory`, where the factory makes an `encryption.KeyManagement`."""
    providers: tuple[Provider, ...] = ()
    journal_file: Path
    """Control changes, revocations and deletions, apart from the databases: it is never restored from a backup."""
    journal_days: Annotated[int, Field(ge=7, le=3650)] = 35
    """How old a backup may be that is restored: the journal keeps deletions and revocations for so long."""
    log_file: Path | None = None
    log_to_stderr: bool = True
    max_body_bytes: Annotated[int, Field(gt=0)] = 10 * 1024 * 1024
    requests_per_minute: Annotated[int, Field(ge=0)] = 0
    """How many requests each key may make; 0 for no limit."""
    body_seconds: Seconds = 30.0
    """How long a request's body may take to arrive."""
    deletion_batch: Annotated[int, Field(gt=0, le=5000)] = 500
    """Rows that a deletion erases in one transaction."""
    purge_minutes: Annotated[int, Field(ge=0, le=1440)] = 15
    """How often what is past its period is deleted; 0, in development only: never by itself."""
    metrics_token: SecretStr = SecretStr("")
    """Who scrapes `/metrics` bears it; without one, only a developer's own machine may."""
    max_internal_requests: Annotated[int, Field(gt=0)] = 64
    max_public_requests: Annotated[int, Field(gt=0)] = 256
    """Requests of customers whose answer has not begun; more are refused with 503."""
    max_streams: Annotated[int, Field(gt=0)] = 1024
    """Streamed answers under way; while there are so many, every new request is refused with 503."""
    max_account_requests: Annotated[int, Field(gt=0)] = 128
    """Requests of one account under way, streams too; more are refused with 429, so that one leaves room for others."""
    stalled_seconds: Seconds = 60.0
    """How long a client may take none of its answer before it counts as gone."""
    max_provider_body_bytes: Annotated[int, Field(gt=0)] = 32 * 1024 * 1024

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        models = [model.id for provider in self.providers for model in provider.models]
        if len(set(models)) != len(models) or ECHO_MODEL in models:
            raise ValueError("providers: each model id may be given once, and anuma/echo is built in")
        names = [BUILT_IN_PROVIDER, *(provider.name for provider in self.providers)]
        if len(set(names)) != len(names):
            raise ValueError(f"providers: each name may be given once, and {BUILT_IN_PROVIDER} is built in")
        if self.environment == "production" and not self.purge_minutes:
            raise ValueError("purge_minutes: must not be 0 in production")
        if bool(self.kms) == bool(self.key_encryption_keys):
            raise ValueError("key-encryption keys: give some, or the key management that holds them")
        identifiers = [key.id for key in self.key_encryption_keys]
        if len(set(identifiers)) != len(identifiers):
            raise ValueError("key-encryption keys: each identifier may be given once")
        return self
