"""Settings: made up in development and kept; in production nothing is made up, and each weak point is named."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from joserfc.jwk import ECKey

from anuma_dash.errors import SettingsError
from anuma_dash.settings import Settings

STRONG = "Kq3v9ZrT0bXw7LmN2sYc5HdJ8fGpA1eU"
OTHER = "uE1aPgF8jDh5cYs2nMl7wXb0tRz9vQk3"
PROVIDER = {
    "slug": "google",
    "label": "Google",
    "issuer": "https://accounts.google.com",
    "client_id": "anuma",
    "client_secret": "oT4kWq9zLm2XcV7b",
}


@pytest.fixture
def production(tmp_path):
    """An environment in which production starts."""
    key_file = tmp_path / "jwt.pem"
    key_file.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    return {
        "ANUMA_ENV": "production",
        "ANUMA_PUBLIC_URL": "https://dashboard.example",
        "ANUMA_SUPPORT_EMAIL": "support@dashboard.example",
        "ANUMA_DATABASE_URL": "postgresql://db.example/anuma",
        "ANUMA_WORKFLOWS_DATABASE_URL": "postgresql://db.example/workflows",
        "ANUMA_GATEWAY_URL": "https://gateway.internal.example",
        "ANUMA_GATEWAY_PUBLIC_URL": "https://api.example/v1",
        "ANUMA_JWT_KEY_FILE": str(key_file),
        "ANUMA_SESSION_SECRETS": STRONG,
        "ANUMA_CSRF_SECRETS": OTHER,
        "ANUMA_SIGN_IN_PROVIDERS": json.dumps([PROVIDER]),
    }


def provider(**changes):
    return json.dumps([PROVIDER | changes])


def points(environ):
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(environ)
    return refusal.value.points


def test_production_starts_with_everything_in_place(production):
    settings = Settings.from_environment(production)

    assert settings.production
    assert settings.secure_cookies
    assert settings.host_names == ("dashboard.example",)
    assert settings.sign_in_providers[0].issuer == "https://accounts.google.com"


@pytest.mark.parametrize(
    "name",
    [
        "ANUMA_SUPPORT_EMAIL",
        "ANUMA_DATABASE_URL",
        "ANUMA_WORKFLOWS_DATABASE_URL",
        "ANUMA_SESSION_SECRETS",
        "ANUMA_CSRF_SECRETS",
        "ANUMA_SIGN_IN_PROVIDERS",
        "ANUMA_JWT_KEY_FILE",
        "ANUMA_GATEWAY_URL",
        "ANUMA_GATEWAY_PUBLIC_URL",
    ],
)
def test_production_makes_nothing_up(production, name):
    del production[name]

    assert points(production) == [f"{name} is not set"]


@pytest.mark.parametrize(
    ("name", "value", "point"),
    [
        ("ANUMA_SESSION_SECRETS", "short", "ANUMA_SESSION_SECRETS holds a secret that is shorter than 32 characters"),
        ("ANUMA_CSRF_SECRETS", f"{OTHER},tiny", "ANUMA_CSRF_SECRETS holds a secret that is shorter than 32 characters"),
        ("ANUMA_SESSION_SECRETS", "a" * 40, "ANUMA_SESSION_SECRETS holds a secret that is easy to guess"),
        ("ANUMA_SESSION_SECRETS", "change-me-0123456789-abcdefghijkl", "holds a secret that is easy to guess"),
        ("ANUMA_CSRF_SECRETS", STRONG, "ANUMA_SESSION_SECRETS and ANUMA_CSRF_SECRETS share a secret"),
        ("ANUMA_DEBUG", "1", "ANUMA_DEBUG is on"),
        ("ANUMA_PUBLIC_URL", "http://dashboard.example", "ANUMA_PUBLIC_URL is not an https address"),
        ("ANUMA_WEB_WORKERS", "2", "ANUMA_WEB_WORKERS is above 1, so rate limits need ANUMA_REDIS_URL"),
        ("ANUMA_JWT_KEY_FILE", "/nowhere/jwt.pem", "ANUMA_JWT_KEY_FILE names a file that cannot be read"),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(issuer="http://idp.example"), "the issuer of google is not an https"),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(client_secret="short"), "the client secret of google is shorter than 16"),
        ("ANUMA_SIGN_IN_PROVIDERS", json.dumps([PROVIDER, PROVIDER]), "ANUMA_SIGN_IN_PROVIDERS names google twice"),
        ("ANUMA_SIGN_IN_PROVIDERS", "{not json", "ANUMA_SIGN_IN_PROVIDERS is not valid JSON"),
        (
            "ANUMA_SIGN_IN_PROVIDERS",
            provider(slug="Not A Slug"),
            "ANUMA_SIGN_IN_PROVIDERS (0.slug): String should match",
        ),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(surprise=1), "ANUMA_SIGN_IN_PROVIDERS (0.surprise): Extra inputs"),
        ("ANUMA_PROXY_HOPS", "many", "ANUMA_PROXY_HOPS: Input should be a valid integer"),
        ("ANUMA_ENV", "staging", "ANUMA_ENV: Input should be 'development' or 'production'"),
        ("ANUMA_SIGN_UP", "maybe", "ANUMA_SIGN_UP: Input should be 'open', 'invited' or 'requested'"),
    ],
)
def test_production_refuses_what_is_weak_or_wrong_and_names_it(production, name, value, point):
    found = points(production | {name: value})

    assert len(found) == 1
    assert point in found[0]


def test_production_refuses_sqlite_on_more_than_one_host(production):
    found = points(production | {"ANUMA_HOSTS": "2", "ANUMA_DATABASE_URL": "sqlite:////data/anuma.sqlite"})

    assert found == ["ANUMA_DATABASE_URL is SQLite, which one host only can use, and ANUMA_HOSTS is above 1"]


def test_every_point_is_named_at_once(production):
    found = points(production | {"ANUMA_DEBUG": "1", "ANUMA_SESSION_SECRETS": "short", "ANUMA_GATEWAY_URL": ""})

    assert [point.split()[0] for point in found] == ["ANUMA_GATEWAY_URL", "ANUMA_SESSION_SECRETS", "ANUMA_DEBUG"]


@pytest.mark.parametrize("name", ["ANUMA_SESSION_SECRETS", "ANUMA_CSRF_SECRETS"])
def test_a_refusal_never_shows_a_secret(production, name):
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(production | {name: "hunter2-hunter2", "ANUMA_PROXY_HOPS": "hunter2-hunter2"})

    assert "hunter2" not in str(refusal.value)


def test_settings_do_not_print_their_secrets(production):
    shown = repr(Settings.from_environment(production))

    assert STRONG not in shown
    assert PROVIDER["client_secret"] not in shown


def test_secrets_rotate_by_putting_the_new_one_first(production):
    settings = Settings.from_environment(production | {"ANUMA_SESSION_SECRETS": f"{STRONG[::-1]}x, {STRONG}"})

    assert settings.session_secrets == (f"{STRONG[::-1]}x", STRONG)


@pytest.fixture
def development(tmp_path):
    return {"ANUMA_INSTANCE": str(tmp_path / "instance")}


def test_development_needs_nothing_and_keeps_what_it_made_up(development):
    first, again = Settings.from_environment(development), Settings.from_environment(development)

    assert first == again
    assert first.session_secrets != first.csrf_secrets
    assert all(len(secret) >= 48 for secret in (*first.session_secrets, *first.csrf_secrets))
    assert urlsplit(first.database_url).scheme == "sqlite"
    assert [one.slug for one in first.sign_in_providers] == ["sandbox"]


def test_secrets_made_up_can_be_read_by_their_owner_only(development):
    settings = Settings.from_environment(development)

    secret_files = {"session_secret", "csrf_secret", "dashboard-jwt.pem", "sandbox-client-secret"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.instance.iterdir()}
    assert {name: modes[name] for name in secret_files} == dict.fromkeys(secret_files, 0o600)


def test_the_public_half_of_the_signing_key_lies_ready_for_the_gateway(development):
    settings = Settings.from_environment(development)

    (key,) = json.loads((settings.instance / "dashboard-jwks.json").read_text())["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert "d" not in key
    assert key["kid"] == ECKey.import_key(Path(settings.jwt_key_file).read_text()).thumbprint()


def test_what_is_set_wins_over_what_would_be_made_up(development):
    settings = Settings.from_environment(development | {"ANUMA_SESSION_SECRETS": STRONG, "ANUMA_SIGN_UP": "invited"})

    assert (settings.session_secrets, settings.sign_up) == ((STRONG,), "invited")
    assert not (settings.instance / "session_secret").exists()
