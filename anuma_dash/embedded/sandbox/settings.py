"""What the sandbox is told by its environment: one frozen, typed object."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

PREFIX = "ANUMA_SANDBOX_"
ALLOWED_ENVIRONMENTS = ("development", "test")
# Also keeps anything out of the Content-Security-Policy that could end a directive.
_PLAIN_URL = re.compile(
    r"https?://[A-Za-z0-9.\-]+(:\d{1,5})?(/[^\s#;,\\]*)?|https?://\[::1\](:\d{1,5})?(/[^\s#;,\\]*)?"
)


def _split(listed: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in listed.split(",") if item.strip())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(BaseModel):
    """The sandbox's settings. Making one raises pydantic's ValidationError, a ValueError, naming what is wrong.

    Anybody may sign in here as anybody, so it exists on a developer's machine only: the environment
    must be `development` or `test`, and the issuer a plain loopback address.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    environment: str = Field(default="development", validate_default=True)
    port: int = Field(default=8002, ge=1, le=65535)
    smtp_port: int = Field(default=8025, ge=1, le=65535)
    issuer: str = ""
    client_id: str = Field(default="anuma-dashboard", min_length=1)
    client_secret: SecretStr | None = None
    redirect_uris: tuple[str, ...] = Field(default=("http://localhost:8000/sign-in/sandbox/callback",), min_length=1)
    post_logout_redirect_uris: tuple[str, ...] = ("http://localhost:8000/",)
    back_channel_logout_uri: str | None = None
    instance: Path = Path("instance")

    @model_validator(mode="before")
    @classmethod
    def _issuer_follows_port(cls, given: dict[str, Any]) -> dict[str, Any]:
        return given if given.get("issuer") else {**given, "issuer": f"http://localhost:{given.get('port', 8002)}"}

    @field_validator("environment")
    @classmethod
    def _never_in_production(cls, value: str) -> str:
        if value not in ALLOWED_ENVIRONMENTS:
            raise ValueError(
                f"the sandbox signs anybody in as anybody and must not run with ANUMA_ENV={value!r};"
                f" it runs with {' or '.join(ALLOWED_ENVIRONMENTS)}"
            )
        return value

    @field_validator("issuer")
    @classmethod
    def _issuer_is_a_loopback_origin(cls, value: str) -> str:
        parts = urlsplit(value)
        plain = value == f"http://{parts.netloc}" and "@" not in value
        if not plain or not _is_loopback(parts.hostname or ""):
            raise ValueError(f"{PREFIX}ISSUER must be http:// and a loopback host, without a path: {value!r}")
        return value

    @field_validator("client_secret")
    @classmethod
    def _secret_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError(f"{PREFIX}CLIENT_SECRET must have at least 32 characters")
        return value

    @field_validator("redirect_uris", "post_logout_redirect_uris")
    @classmethod
    def _addresses_are_plain(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            if not _PLAIN_URL.fullmatch(address):
                raise ValueError(f"not a plain http or https address without a fragment: {address!r}")
        return value

    @field_validator("back_channel_logout_uri")
    @classmethod
    def _posts_to_loopback_only(cls, value: str | None) -> str | None:
        if value is not None and not (_PLAIN_URL.fullmatch(value) and _is_loopback(urlsplit(value).hostname or "")):
            raise ValueError(f"{PREFIX}BACK_CHANNEL_LOGOUT_URI must be on this machine: {value!r}")
        return value

    @property
    def return_origins(self) -> tuple[str, ...]:
        """The origins a form of the sandbox may end up at, sorted, for `form-action`."""
        parts = (urlsplit(address) for address in (*self.redirect_uris, *self.post_logout_redirect_uris))
        return tuple(sorted({f"{part.scheme}://{part.netloc}" for part in parts}))

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Read ANUMA_ENV, ANUMA_INSTANCE and ANUMA_SANDBOX_*; lists are separated by commas."""
        given: dict[str, Any] = {}
        for name in ("port", "smtp_port", "issuer", "client_id", "client_secret", "back_channel_logout_uri"):
            if value := environ.get(PREFIX + name.upper()):
                given[name] = value
        for name in ("redirect_uris", "post_logout_redirect_uris"):
            if value := environ.get(PREFIX + name.upper()):
                given[name] = _split(value)
        if value := environ.get("ANUMA_INSTANCE"):
            given["instance"] = value
        if value := environ.get("ANUMA_ENV"):
            given["environment"] = value.strip().lower()
        return cls(**given)
