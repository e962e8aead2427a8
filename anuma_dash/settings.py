"""Settings: read once from the environment, typed and frozen.

Every name in the environment is the field's name in capitals behind `ANUMA_`; the same name with `_FILE` behind it
names a file that holds the value, which is how containers and systemd hand over secrets. In development what is missing
is made up and kept in the instance folder; in production nothing is made up, and the process refuses to start, naming
each point that is missing, default, weak or contradictory.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from anuma_dash.errors import SettingsError
from anuma_dash.production import points_against

SigningAlgorithm = Literal[
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA", "Ed25519"
]
"""How providers may sign: with a key pair. `none` and the HS algorithms are no choice (RFC 8725, 3.1)."""
VAULT_KEY_BYTES = 32
DEVELOPMENT_STAFF = re.compile(r"[a-z][a-z0-9-]{0,30}:[^=,\s]+=(support|privacy|finance|administrator)")
PLAIN_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]+@[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]+")
"""An e-mail address that needs no quoting (a subset of RFC 5321, 4.1.2)."""


class Provider(BaseModel):
    """One OpenID provider that people may sign in with.

    `sends_auth_time` is False for providers that leave `auth_time` out of their ID tokens; people who sign in
    with those cannot re-authenticate through it, but by a passkey or a mailed code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    label: str = Field(min_length=1, max_length=60)
    issuer: str
    client_id: str
    client_secret: str = Field(repr=False)
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    sends_auth_time: bool = True
    acr_values: str | None = None
    signing_algorithms: tuple[SigningAlgorithm, ...] = ("ES256", "RS256")


class VaultKey(BaseModel):
    """One key-encryption key of the vault: 32 bytes from `path`; its `id` is stored beside what it wraps."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")
    path: Path
    secret: bytes = Field(repr=False, min_length=VAULT_KEY_BYTES, max_length=VAULT_KEY_BYTES)


class Settings(BaseModel):
    """Everything that a deployment decides. Durations carry their unit in the name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: Literal["development", "production"] = "development"
    instance: Path = Path("instance")
    public_url: str = "http://localhost:8000"
    support_email: str = ""
    allowed_hosts: tuple[str, ...] = ()
    proxy_hops: int = Field(default=0, ge=0, le=5)
    place_header: str = Field(default="", pattern=r"^[A-Za-z0-9-]*$")
    hosts: int = Field(default=1, ge=1)
    web_workers: int = Field(default=1, ge=1)
    web_slots: int = Field(default=8, ge=1)
    web_waiting: int = Field(default=16, ge=0)
    web_wait_seconds: float = Field(default=1.0, gt=0)
    debug: bool = False
    max_body_bytes: int = Field(default=1_000_000, ge=10_000)
    max_form_parts: int = Field(default=200, ge=20)
    max_url_bytes: int = Field(default=8_000, ge=2_000)
    max_header_bytes: int = Field(default=32_000, ge=8_000)
    security_contact: str = Field(default="", pattern=r"^((mailto:|https://|tel:)[!-~]+)?$")
    security_policy_url: str = Field(default="", pattern=r"^(https://[!-~]+)?$")

    database_url: str = ""
    workflows_database_url: str = ""
    redis_url: str = ""

    gateway_url: str = "http://localhost:8001"
    gateway_public_url: str = "http://localhost:8001/v1"
    gateway_budget_seconds: float = Field(default=2.0, gt=0, le=30)
    jwt_key_file: Path = Path()

    session_secrets: tuple[str, ...] = Field(default=(), repr=False)
    csrf_secrets: tuple[str, ...] = Field(default=(), repr=False)
    vault_keys: tuple[VaultKey, ...] = ()

    smtp_url: str = Field(default="", repr=False)
    mail_from: str = ""

    sign_in_providers: tuple[Provider, ...] = ()
    sign_up: Literal["open", "invited", "requested"] = "open"
    session_idle_days: int = Field(default=14, ge=1)
    session_absolute_days: int = Field(default=90, ge=1)
    staff_idle_minutes: int = Field(default=30, ge=1, le=60)
    staff_absolute_hours: int = Field(default=20, ge=1, le=24)
    owner_recovery_delay_hours: int = Field(default=72, ge=24, le=720)
    reauthentication_minutes: int = Field(default=10, ge=1, le=60)
    support_access: bool = False
    development_staff: tuple[str, ...] = ()
    activity_detail_days: int = Field(default=730, ge=1, le=36500)

    worker_poll_seconds: float = Field(default=1.0, gt=0)
    worker_lease_seconds: float = Field(default=20.0, gt=0)
    worker_metrics_host: str = "127.0.0.1"
    worker_metrics_port: int = Field(default=0, ge=0, le=65535)
    worker_stale_seconds: float = Field(default=60.0, gt=0)
    metrics_token: str = Field(default="", repr=False)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("smtp_url")
    @classmethod
    def _names_a_mail_server(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            named = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            named = False
        if value and not (named and parts.path in ("", "/") and not parts.query):
            raise ValueError("must be smtp://[user:password@]host[:port] or smtps://…")
        return value

    @field_validator("mail_from")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        if value and not PLAIN_ADDRESS.fullmatch(value):
            raise ValueError("must be one e-mail address, without a name")
        return value

    @field_validator("development_staff")
    @classmethod
    def _names_staff(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(DEVELOPMENT_STAFF.fullmatch(item) for item in value):
            raise ValueError(
                "must be provider:subject=role, comma-separated; a role is support, privacy, finance or administrator"
            )
        return value

    @property
    def production(self) -> bool:
        """True where real people's data is held."""
        return self.env == "production"

    @property
    def secure_cookies(self) -> bool:
        """True when the site is served over https, so that cookies carry `Secure` and the `__Host-` prefix."""
        return self.public_url.startswith("https://")

    @property
    def host_name(self) -> str:
        """The public URL's host, without its port."""
        return urlsplit(self.public_url).hostname or ""

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts that requests may name: those configured, else the public URL's."""
        return self.allowed_hosts or (urlsplit(self.public_url).netloc,)

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins (RFC 6454) whose pages are ours: the hosts above, by the public URL's scheme."""
        return tuple(f"{urlsplit(self.public_url).scheme}://{host}" for host in self.host_names)

    def provider_label(self, slug: str) -> str:
        """What people call a sign-in provider; its short name if it is not configured any more."""
        return next((one.label for one in self.sign_in_providers if one.slug == slug), slug)

    @property
    def smtp_needs_tls(self) -> bool:
        """True unless the mail server is on this very machine: nothing is mailed over a network in clear."""
        host = urlsplit(self.smtp_url).hostname or ""
        return not _is_loopback(host)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from the environment.

        Raises `SettingsError` naming each value that cannot be read or, in production, cannot be accepted.
        """
        values = _read(cls, os.environ if environ is None else environ)
        if values.get("env", "development") == "development":
            values = _with_development_values(values)
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise SettingsError([_point(item) for item in error.errors(include_input=False)]) from None
        points = points_against(settings) if settings.production else []
        if points:
            raise SettingsError(points)
        return settings


def _read(cls: type[Settings], environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    bad = []
    for name in cls.model_fields:
        try:
            text = _text(environ, f"ANUMA_{name.upper()}")
        except SettingsError as error:
            bad += error.points
            continue
        if not text:
            continue
        try:
            values[name] = _parse(name, text)
        except json.JSONDecodeError:
            bad.append(f"ANUMA_{name.upper()} is not valid JSON")
        except ValueError as error:
            bad.append(f"ANUMA_{name.upper()}: {error}")
    if bad:
        raise SettingsError(bad)
    return values


def _text(environ: Mapping[str, str], variable: str) -> str:
    text, file = environ.get(variable, "").strip(), environ.get(f"{variable}_FILE", "").strip()
    if text and file:
        raise SettingsError([f"{variable} and {variable}_FILE are both set"])
    if not file:
        return text
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"{variable}_FILE names a file that cannot be read"]) from None


def _parse(name: str, text: str) -> Any:
    if name == "sign_in_providers":
        return json.loads(text)
    if name in ("allowed_hosts", "session_secrets", "csrf_secrets", "development_staff"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if name == "vault_keys":
        return tuple(_vault_key(part.strip()) for part in text.split(",") if part.strip())
    return text


def _vault_key(item: str) -> dict[str, Any]:
    identifier, _, name = item.partition(":")
    try:
        secret = base64.b64decode(Path(name).read_bytes().strip(), altchars=b"-_", validate=True)
    except (OSError, binascii.Error):
        secret = b""
    if len(secret) != VAULT_KEY_BYTES:
        raise ValueError(f"{identifier} names no readable file that holds 32 bytes in base64url; give identifier:path")
    return {"id": identifier, "path": Path(name), "secret": secret}


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _point(error: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in error["loc"][1:])
    name = f"ANUMA_{str(error['loc'][0]).upper()}" if error["loc"] else "the settings"
    return f"{name}{' (' + path + ')' if path else ''}: {error['msg']}"


def _with_development_values(values: dict[str, Any]) -> dict[str, Any]:
    instance = Path(values.get("instance", "instance")).absolute()
    instance.mkdir(parents=True, exist_ok=True)
    public_url = values.get("public_url", "http://localhost:8000")
    defaults: dict[str, Any] = {
        "instance": instance,
        "database_url": f"sqlite:///{instance / 'dashboard.sqlite'}",
        "workflows_database_url": f"sqlite:///{instance / 'workflows.sqlite'}",
        "jwt_key_file": instance / "dashboard-jwt.pem",
        "public_url": public_url,
        "support_email": "support@anuma.example",
        "security_contact": "mailto:security@anuma.example",
        "smtp_url": "smtp://localhost:8025",
        "mail_from": "no-reply@anuma.example",
        "support_access": True,
    }
    for name in ("session_secrets", "csrf_secrets"):
        if name not in values:
            defaults[name] = (_kept(instance / f"{name.removesuffix('s')}", lambda: secrets.token_urlsafe(48)),)
    if "jwt_key_file" not in values:
        _kept(defaults["jwt_key_file"], lambda: ECKey.generate_key("P-256").as_pem(private=True).decode())
    if "vault_keys" not in values:
        _kept(instance / "vault.key", lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        defaults["vault_keys"] = (_vault_key(f"dev-1:{instance / 'vault.key'}"),)
    if "sign_in_providers" not in values:
        secret = _kept(instance / "sandbox-client-secret", lambda: secrets.token_urlsafe(32))
        sandbox = os.environ.get("ANUMA_SANDBOX_ISSUER", "http://localhost:8002")
        defaults["sign_in_providers"] = (
            Provider(
                slug="sandbox",
                label="Sandbox",
                issuer=sandbox,
                client_id="anuma-dashboard",
                client_secret=secret,
                signing_algorithms=("ES256",),
            ),
        )
    merged = defaults | values
    publish_jwks(Path(merged["jwt_key_file"]), instance / "dashboard-jwks.json")
    return merged


def publish_jwks(key_file: Path, jwks_file: Path) -> None:
    """Write the public half of the key that signs calls to the gateway, as a JWK set (RFC 7517)."""
    key = ECKey.import_key(key_file.read_text())
    public = key.as_dict(private=False) | {"kid": key.thumbprint(), "use": "sig", "alg": "ES256"}
    text = json.dumps({"keys": [public]}, indent=1)
    if not jwks_file.exists() or jwks_file.read_text() != text:
        jwks_file.write_text(text)


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that only its owner may read; made on first use, whole or not at all, once among racers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "w") as file:
            file.write(make())
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
        Path(name).unlink()
    return path.read_text().strip()
