"""Settings: made up in development and kept; in production nothing is made up, and each weak point is named."""

from __future__ import annotations

import base64
import json
import secrets
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
    vault_key(tmp_path / "vault-1.key")
    return {
        "ANUMA_ENV": "production",
        "ANUMA_PUBLIC_URL": "https://dashboard.example",
        "ANUMA_SUPPORT_EMAIL": "support@dashboard.example",
        "ANUMA_SECURITY_CONTACT": "mailto:security@dashboard.example",
        "ANUMA_DATABASE_URL": "postgresql://db.example/anuma",
        "ANUMA_WORKFLOWS_DATABASE_URL": "postgresql://db.example/workflows",
        "ANUMA_GATEWAY_URL": "https://gateway.internal.example",
        "ANUMA_GATEWAY_PUBLIC_URL": "https://api.example/v1",
        "ANUMA_JWT_KEY_FILE": str(key_file),
        "ANUMA_SESSION_SECRETS": STRONG,
        "ANUMA_CSRF_SECRETS": OTHER,
        "ANUMA_VAULT_KEYS": f"one:{tmp_path / 'vault-1.key'}",
        "ANUMA_SMTP_URL": "smtp://dashboard:Wq7-canary-Zt3@mail.example:587",
        "ANUMA_MAIL_FROM": "no-reply@dashboard.example",
        "ANUMA_SIGN_IN_PROVIDERS": json.dumps([PROVIDER]),
    }


def vault_key(path, key=None, mode=0o600):
    """A file with a key of the vault."""
    path.write_bytes(base64.urlsafe_b64encode(key or secrets.token_bytes(32)))
    path.chmod(mode)
    return path


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
        "ANUMA_SECURITY_CONTACT",
        "ANUMA_DATABASE_URL",
        "ANUMA_WORKFLOWS_DATABASE_URL",
        "ANUMA_SESSION_SECRETS",
        "ANUMA_CSRF_SECRETS",
        "ANUMA_VAULT_KEYS",
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
        ("ANUMA_METRICS_TOKEN", "short", "ANUMA_METRICS_TOKEN is shorter than 32 characters"),
        ("ANUMA_PUBLIC_URL", "http://dashboard.example", "ANUMA_PUBLIC_URL is not an https address"),
        ("ANUMA_WEB_WORKERS", "2", "ANUMA_WEB_WORKERS is above 1, so rate limits need ANUMA_REDIS_URL"),
        (
            "ANUMA_PLACE_HEADER",
            "CF-IPCountry",
            "ANUMA_PLACE_HEADER is believed only if a proxy sets it, and ANUMA_PROXY_HOPS is 0",
        ),
        ("ANUMA_HOSTS", "2", "ANUMA_HOSTS is above 1, so rate limits need ANUMA_REDIS_URL"),
        ("ANUMA_JWT_KEY_FILE", "/nowhere/jwt.pem", "ANUMA_JWT_KEY_FILE names a file that cannot be read"),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(issuer="http://idp.example"), "the issuer of google is not an https"),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(client_secret="short"), "the client secret of google is shorter than 16"),
        ("ANUMA_SIGN_IN_PROVIDERS", json.dumps([PROVIDER, PROVIDER]), "ANUMA_SIGN_IN_PROVIDERS names google twice"),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(client_secret=STRONG), "of google is also a session or CSRF secret"),
        ("ANUMA_SIGN_IN_PROVIDERS", "{not json", "ANUMA_SIGN_IN_PROVIDERS is not valid JSON"),
        (
            "ANUMA_SIGN_IN_PROVIDERS",
            provider(slug="Not A Slug"),
            "ANUMA_SIGN_IN_PROVIDERS (0.slug): String should match",
        ),
        ("ANUMA_SIGN_IN_PROVIDERS", provider(surprise=1), "ANUMA_SIGN_IN_PROVIDERS (0.surprise): Extra inputs"),
        ("ANUMA_VAULT_KEYS", "one:/nowhere/vault.key", "one names no readable file that holds 32 bytes in base64url"),
        ("ANUMA_SMTP_URL", "https://mail.example", "ANUMA_SMTP_URL: Value error, must be smtp://"),
        ("ANUMA_SMTP_URL", "smtp://mail.example:port", "ANUMA_SMTP_URL: Value error, must be smtp://"),
        ("ANUMA_MAIL_FROM", "", "ANUMA_MAIL_FROM is not set, and ANUMA_SMTP_URL is"),
        ("ANUMA_MAIL_FROM", "a@b.example\nBcc: c@d.example", "must be one e-mail address, without a name"),
        ("ANUMA_PROXY_HOPS", "many", "ANUMA_PROXY_HOPS: Input should be a valid integer"),
        ("ANUMA_ENV", "staging", "ANUMA_ENV: Input should be 'development' or 'production'"),
        ("ANUMA_SIGN_UP", "maybe", "ANUMA_SIGN_UP: Input should be 'open', 'invited' or 'requested'"),
        ("ANUMA_SECURITY_CONTACT", "security@dashboard.example", "ANUMA_SECURITY_CONTACT: String should match"),
        ("ANUMA_SECURITY_CONTACT", "https://x.example\nPolicy: https://evil", "ANUMA_SECURITY_CONTACT: String should"),
        ("ANUMA_SECURITY_POLICY_URL", "http://x.example/policy", "ANUMA_SECURITY_POLICY_URL: String should match"),
        ("ANUMA_MAX_BODY_BYTES", "10", "ANUMA_MAX_BODY_BYTES: Input should be greater than or equal to"),
        ("ANUMA_MAX_FORM_PARTS", "0", "ANUMA_MAX_FORM_PARTS: Input should be greater than or equal to"),
    ],
)
def test_production_refuses_what_is_weak_or_wrong_and_names_it(production, name, value, point):
    found = points(production | {name: value})

    assert len(found) == 1
    assert point in found[0]


def test_production_refuses_sqlite_on_more_than_one_host(production):
    two_hosts = {"ANUMA_HOSTS": "2", "ANUMA_REDIS_URL": "redis://redis.example"}
    found = points(production | two_hosts | {"ANUMA_DATABASE_URL": "sqlite:////data/anuma.sqlite"})

    assert found == ["ANUMA_DATABASE_URL is SQLite, which one host only can use, and ANUMA_HOSTS is above 1"]


@pytest.mark.parametrize(
    ("key", "mode", "point"),
    [
        (b"aaaa" * 8, 0o600, "ANUMA_VAULT_KEYS: two is not random"),
        (bytes(range(32)), 0o644, "ANUMA_VAULT_KEYS: the file of two can be read by others; make it 0600"),
        ("same", 0o600, "ANUMA_VAULT_KEYS holds the same key twice"),
        (base64.urlsafe_b64decode(OTHER + "Kq3v9ZrT0bU="), 0o600, "shares a secret with ANUMA_SESSION_SECRETS or"),
    ],
    ids=["weak", "readable", "twice", "shared"],
)
def test_production_refuses_a_weak_or_shared_key_of_the_vault(production, tmp_path, key, mode, point):
    if key == "same":
        key = base64.urlsafe_b64decode((tmp_path / "vault-1.key").read_bytes())
    second = vault_key(tmp_path / "vault-2.key", key, mode)
    shared = {"ANUMA_CSRF_SECRETS": OTHER + "Kq3v9ZrT0bU"} if "shares" in point else {}
    (found,) = points(production | shared | {"ANUMA_VAULT_KEYS": f"{production['ANUMA_VAULT_KEYS']},two:{second}"})

    assert point in found


@pytest.mark.parametrize("sends_auth_time", [True, False])
def test_production_needs_a_mail_server_whatever_its_providers_send(production, sends_auth_time):
    """Its pages promise mail: of support sessions, of a new owner, of a closing."""
    providers = {"ANUMA_SIGN_IN_PROVIDERS": provider(sends_auth_time=sends_auth_time)}

    assert points(production | providers | {"ANUMA_SMTP_URL": ""}) == ["ANUMA_SMTP_URL is not set"]
    del production["ANUMA_SMTP_URL"]
    assert points(production | providers) == ["ANUMA_SMTP_URL is not set"]


@pytest.mark.parametrize(
    ("url", "needed"),
    [("smtp://mail.example", True), ("smtp://10.0.0.5:25", True), ("smtp://localhost:8025", False)],
)
def test_mail_leaves_this_machine_encrypted_only(production, url, needed):
    assert Settings.from_environment(production | {"ANUMA_SMTP_URL": url}).smtp_needs_tls is needed


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
    assert "canary" not in shown
    assert "secret=" not in shown


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

    secret_files = {"session_secret", "csrf_secret", "dashboard-jwt.pem", "sandbox-client-secret", "vault.key"}
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


@pytest.mark.parametrize("name", ["ANUMA_SESSION_SECRETS", "ANUMA_DATABASE_URL", "ANUMA_SIGN_IN_PROVIDERS"])
def test_a_value_can_come_from_a_file(production, tmp_path, name):
    file = tmp_path / "handed-over"
    file.write_text(production[name] + "\n")
    expected = Settings.from_environment(production)

    assert Settings.from_environment(without(production, name) | {f"{name}_FILE": str(file)}) == expected


def test_a_value_and_a_file_contradict_each_other(production, tmp_path):
    file = tmp_path / "handed-over"
    file.write_text(STRONG)

    found = points(production | {"ANUMA_SESSION_SECRETS_FILE": str(file)})

    assert found == ["ANUMA_SESSION_SECRETS and ANUMA_SESSION_SECRETS_FILE are both set"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe not text"])
def test_a_file_that_cannot_be_read_is_named(production, tmp_path, content):
    file = tmp_path / "handed-over"
    if content:
        file.write_bytes(content)

    found = points(without(production, "ANUMA_CSRF_SECRETS") | {"ANUMA_CSRF_SECRETS_FILE": str(file)})

    assert found == ["ANUMA_CSRF_SECRETS_FILE names a file that cannot be read"]


def test_figures_for_other_machines_need_a_token(production):
    listening = {"ANUMA_WORKER_METRICS_PORT": "9101", "ANUMA_WORKER_METRICS_HOST": "0.0.0.0"}

    assert points(production | listening) == [
        "ANUMA_WORKER_METRICS_HOST can be reached from elsewhere, so it needs ANUMA_METRICS_TOKEN"
    ]
    assert Settings.from_environment(production | listening | {"ANUMA_METRICS_TOKEN": STRONG}).metrics_token == STRONG


def without(environ, name):
    return {key: value for key, value in environ.items() if key != name}
