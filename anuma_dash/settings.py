"""Settings: read once from the environment, typed and frozen.

Every name in the environment is the field's name in capitals behind `ANUMA_`. In development what is missing is made
up and kept in the instance folder; in production nothing is made up, and the process refuses to start, naming each
point that is missing, default, weak or contradictory.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from anuma_dash.errors import SettingsError

MINIMUM_SECRET_CHARACTERS = 32
WEAK_SECRETS = ("secret", "change", "default", "password", "example", "insecure", "dev")


class Provider(BaseModel):
    """One OpenID provider that people may sign in with.

    `sends_auth_time` is False for providers that leave `auth_time` out of their ID tokens; people who sign in
    with those cannot re-authenticate through it.
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
    signing_algorithms: tuple[str, ...] = ("ES256", "RS256")


class Settings(BaseModel):
    """Everything that a deployment decides. Durations carry their unit in the name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: Literal["development", "production"] = "development"
    instance: Path = Path("instance")
    public_url: str = "http://localhost:8000"
    support_email: str = ""
    allowed_hosts: tuple[str, ...] = ()
    proxy_hops: int = Field(default=0, ge=0, le=5)
    hosts: int = Field(default=1, ge=1)
    web_workers: int = Field(default=1, ge=1)
    debug: bool = False
    max_body_bytes: int = Field(default=1_000_000, ge=10_000)

    database_url: str = ""
    workflows_database_url: str = ""
    redis_url: str = ""

    gateway_url: str = "http://localhost:8001"
    gateway_public_url: str = "http://localhost:8001/v1"
    gateway_budget_seconds: float = Field(default=2.0, gt=0, le=30)
    jwt_key_file: Path = Path()

    session_secrets: tuple[str, ...] = Field(default=(), repr=False)
    csrf_secrets: tuple[str, ...] = Field(default=(), repr=False)

    sign_in_providers: tuple[Provider, ...] = ()
    sign_up: Literal["open", "invited", "requested"] = "open"
    session_idle_days: int = Field(default=14, ge=1)
    session_absolute_days: int = Field(default=90, ge=1)
    reauthentication_minutes: int = Field(default=10, ge=1, le=60)

    worker_poll_seconds: float = Field(default=1.0, gt=0)
    worker_lease_seconds: float = Field(default=20.0, gt=0)
    worker_metrics_port: int = Field(default=0, ge=0, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def production(self) -> bool:
        """True where real people's data is held."""
        return self.env == "production"

    @property
    def secure_cookies(self) -> bool:
        """True when the site is served over https, so that cookies carry `Secure` and the `__Host-` prefix."""
        return self.public_url.startswith("https://")

    @property
    def host_names(self) -> tuple[str, ...]:
        """The hosts that requests may name: those configured, else the public URL's."""
        return self.allowed_hosts or (urlsplit(self.public_url).netloc,)

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
        points = _points_against(settings) if settings.production else []
        if points:
            raise SettingsError(points)
        return settings


def _read(cls: type[Settings], environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    bad = []
    for name in cls.model_fields:
        text = environ.get(f"ANUMA_{name.upper()}", "").strip()
        if not text:
            continue
        try:
            values[name] = _parse(name, text)
        except ValueError:
            bad.append(f"ANUMA_{name.upper()} is not valid JSON")
    if bad:
        raise SettingsError(bad)
    return values


def _parse(name: str, text: str) -> Any:
    if name == "sign_in_providers":
        return json.loads(text)
    if name in ("allowed_hosts", "session_secrets", "csrf_secrets"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


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
    }
    for name in ("session_secrets", "csrf_secrets"):
        if name not in values:
            defaults[name] = (_kept(instance / f"{name.removesuffix('s')}", lambda: secrets.token_urlsafe(48)),)
    if "jwt_key_file" not in values:
        _kept(defaults["jwt_key_file"], lambda: ECKey.generate_key("P-256").as_pem(private=True).decode())
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


def _points_against(settings: Settings) -> list[str]:
    points = [f"ANUMA_{name.upper()} is not set" for name in _unset(settings)]
    for name in ("session_secrets", "csrf_secrets"):
        for secret in getattr(settings, name):
            points += [f"ANUMA_{name.upper()} holds a secret that {why}" for why in _weaknesses(secret)]
    if set(settings.session_secrets) & set(settings.csrf_secrets):
        points.append("ANUMA_SESSION_SECRETS and ANUMA_CSRF_SECRETS share a secret")
    if settings.debug:
        points.append("ANUMA_DEBUG is on")
    if not settings.public_url.startswith("https://"):
        points.append("ANUMA_PUBLIC_URL is not an https address")
    if settings.hosts > 1 and settings.database_url.startswith("sqlite"):
        points.append("ANUMA_DATABASE_URL is SQLite, which one host only can use, and ANUMA_HOSTS is above 1")
    if settings.web_workers > 1 and not settings.redis_url:
        points.append("ANUMA_WEB_WORKERS is above 1, so rate limits need ANUMA_REDIS_URL")
    if settings.jwt_key_file != Path() and not settings.jwt_key_file.is_file():
        points.append("ANUMA_JWT_KEY_FILE names a file that cannot be read")
    for provider in settings.sign_in_providers:
        if not provider.issuer.startswith("https://"):
            points.append(f"ANUMA_SIGN_IN_PROVIDERS: the issuer of {provider.slug} is not an https address")
        points += [
            f"ANUMA_SIGN_IN_PROVIDERS: the client secret of {provider.slug} {why}"
            for why in _weaknesses(provider.client_secret, 16)
        ]
    slugs = [provider.slug for provider in settings.sign_in_providers]
    points += [
        f"ANUMA_SIGN_IN_PROVIDERS names {slug} twice" for slug in sorted({s for s in slugs if slugs.count(s) > 1})
    ]
    return points


def _unset(settings: Settings) -> list[str]:
    required = (
        "support_email",
        "database_url",
        "workflows_database_url",
        "session_secrets",
        "csrf_secrets",
        "sign_in_providers",
    )
    missing = [name for name in required if not getattr(settings, name)]
    missing += [name for name in ("jwt_key_file",) if getattr(settings, name) == Path()]
    missing += [name for name in ("gateway_url", "gateway_public_url") if "localhost" in getattr(settings, name)]
    return missing


def _weaknesses(secret: str, minimum: int = MINIMUM_SECRET_CHARACTERS) -> list[str]:
    if len(secret) < minimum:
        return [f"is shorter than {minimum} characters"]
    if len(set(secret)) < 10 or any(word in secret.lower() for word in WEAK_SECRETS if len(secret) < 48):
        return ["is easy to guess"]
    return []
