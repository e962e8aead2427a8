"""What production refuses to start with: settings that are missing, default, weak or contradictory."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anuma_dash.settings import Settings

MINIMUM_SECRET_CHARACTERS = 32
WEAK_SECRETS = ("secret", "change", "default", "password", "example", "insecure", "dev")


def points_against(settings: Settings) -> list[str]:
    """Each point that is missing, default, weak or contradictory, in words that name the variable."""
    points = [f"ANUMA_{name.upper()} is not set" for name in _unset(settings)]
    for name in ("session_secrets", "csrf_secrets"):
        for secret in getattr(settings, name):
            points += [f"ANUMA_{name.upper()} holds a secret that {why}" for why in _weaknesses(secret)]
    if set(settings.session_secrets) & set(settings.csrf_secrets):
        points.append("ANUMA_SESSION_SECRETS and ANUMA_CSRF_SECRETS share a secret")
    if settings.metrics_token:
        points += [f"ANUMA_METRICS_TOKEN {why}" for why in _weaknesses(settings.metrics_token)]
    elif settings.worker_metrics_port and settings.worker_metrics_host not in ("127.0.0.1", "::1", "localhost"):
        points.append("ANUMA_WORKER_METRICS_HOST can be reached from elsewhere, so it needs ANUMA_METRICS_TOKEN")
    own = {*settings.session_secrets, *settings.csrf_secrets}
    points += [
        f"ANUMA_SIGN_IN_PROVIDERS: the client secret of {provider.slug} is also a session or CSRF secret"
        for provider in settings.sign_in_providers
        if provider.client_secret in own
    ]
    points += _points_against_vault_and_mail(settings)
    if settings.debug:
        points.append("ANUMA_DEBUG is on")
    if settings.development_staff:
        points.append(
            "ANUMA_DEVELOPMENT_STAFF is set; here staff roles are given by `python -m anuma_dash staff grant`"
        )
    if not settings.public_url.startswith("https://"):
        points.append("ANUMA_PUBLIC_URL is not an https address")
    if settings.place_header and not settings.proxy_hops:
        points.append("ANUMA_PLACE_HEADER is believed only if a proxy sets it, and ANUMA_PROXY_HOPS is 0")
    if settings.hosts > 1 and settings.database_url.startswith("sqlite"):
        points.append("ANUMA_DATABASE_URL is SQLite, which one host only can use, and ANUMA_HOSTS is above 1")
    several = [name for name in ("hosts", "web_workers") if getattr(settings, name) > 1]
    if several and not settings.redis_url:
        points.append(f"ANUMA_{several[-1].upper()} is above 1, so rate limits need ANUMA_REDIS_URL")
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


def _points_against_vault_and_mail(settings: Settings) -> list[str]:
    points = []
    for key in settings.vault_keys:
        if len(set(key.secret)) < 12:
            points.append(f"ANUMA_VAULT_KEYS: {key.id} is not random")
        if key.path.stat().st_mode & 0o077:
            points.append(f"ANUMA_VAULT_KEYS: the file of {key.id} can be read by others; make it 0600")
    if len({key.id for key in settings.vault_keys}) < len(settings.vault_keys):
        points.append("ANUMA_VAULT_KEYS gives two keys the same identifier")
    if len({key.secret for key in settings.vault_keys}) < len(settings.vault_keys):
        points.append("ANUMA_VAULT_KEYS holds the same key twice")
    secrets_as_text = {base64.urlsafe_b64encode(key.secret).decode().rstrip("=") for key in settings.vault_keys}
    if secrets_as_text & {one.rstrip("=") for one in (*settings.session_secrets, *settings.csrf_secrets)}:
        points.append("ANUMA_VAULT_KEYS shares a secret with ANUMA_SESSION_SECRETS or ANUMA_CSRF_SECRETS")
    if settings.smtp_url and not settings.mail_from:
        points.append("ANUMA_MAIL_FROM is not set, and ANUMA_SMTP_URL is")
    return points


def _unset(settings: Settings) -> list[str]:
    required = (
        "support_email",
        "security_contact",
        "database_url",
        "workflows_database_url",
        "session_secrets",
        "csrf_secrets",
        "vault_keys",
        "sign_in_providers",
        "smtp_url",
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
