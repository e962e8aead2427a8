"""Settings, secret files, and the process itself."""

import json
import os
import signal
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from anuma_dash.embedded.sandbox import create_app
from anuma_dash.embedded.sandbox.secret_files import UnsafeSecretFile, read_or_create
from anuma_dash.embedded.sandbox.settings import Settings
from tests.processes import free_port

MODULE = [sys.executable, "-m", "anuma_dash.embedded.sandbox"]


def test_defaults_fit_a_dashboard_on_port_8000():
    settings = Settings.from_env({})
    assert settings.issuer == "http://localhost:8002"
    assert settings.client_id == "anuma-dashboard"
    assert settings.redirect_uris == ("http://localhost:8000/sign-in/sandbox/callback",)
    assert settings.return_origins == ("http://localhost:8000",)


def test_environment_is_read():
    settings = Settings.from_env(
        {
            "ANUMA_ENV": "Test",
            "ANUMA_INSTANCE": "/tmp/somewhere",
            "ANUMA_SANDBOX_PORT": "9002",
            "ANUMA_SANDBOX_CLIENT_ID": "me",
            "ANUMA_SANDBOX_CLIENT_SECRET": "s" * 32,
            "ANUMA_SANDBOX_REDIRECT_URIS": "http://localhost:1/a, https://dash.example/b",
            "ANUMA_SANDBOX_POST_LOGOUT_REDIRECT_URIS": "http://localhost:1/",
        }
    )
    assert settings.issuer == "http://localhost:9002"
    assert settings.redirect_uris == ("http://localhost:1/a", "https://dash.example/b")
    assert settings.return_origins == ("http://localhost:1", "https://dash.example")
    assert str(settings.instance) == "/tmp/somewhere"
    assert "sssss" not in repr(settings)


@pytest.mark.parametrize("environment", ["production", "PRODUCTION ", "prod", "staging"])
def test_it_exists_in_development_and_tests_only(environment):
    with pytest.raises(ValueError, match="must not run with ANUMA_ENV"):
        Settings.from_env({"ANUMA_ENV": environment})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "http"),
        ("ISSUER", "http://localhost:8002/"),
        ("ISSUER", "http://localhost:8002/op"),
        ("ISSUER", "https://login.example"),
        ("ISSUER", "http://192.168.1.2:8002"),
        ("ISSUER", "http://login.example:8002"),
        ("ISSUER", "http://user@localhost"),
        ("CLIENT_SECRET", "short"),
        ("REDIRECT_URIS", " , "),
        ("REDIRECT_URIS", "localhost:8000/callback"),
        ("REDIRECT_URIS", "javascript:alert(1)"),
        ("REDIRECT_URIS", "http://localhost:8000;script-src/callback"),
        ("REDIRECT_URIS", "http://localhost:8000/callback#part"),
        ("BACK_CHANNEL_LOGOUT_URI", "http://dash.example/back-channel-logout"),
        ("BACK_CHANNEL_LOGOUT_URI", "file:///etc/passwd"),
        ("POST_LOGOUT_REDIRECT_URIS", "http://evil.example 'unsafe-inline'/"),
    ],
)
def test_unsafe_settings_are_refused(name, value):
    with pytest.raises(ValueError):
        Settings.from_env({f"ANUMA_SANDBOX_{name}": value})


def test_secrets_are_made_once_and_for_the_owner_only(tmp_path):
    settings = Settings(instance=tmp_path / "instance")
    create_app(settings)
    written = {path.name: path.read_text() for path in settings.instance.iterdir()}
    assert written.keys() == {"sandbox-client-secret", "sandbox-signing-key.json"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in settings.instance.iterdir())
    create_app(settings)
    assert written == {path.name: path.read_text() for path in settings.instance.iterdir()}


def test_given_secret_is_not_written(tmp_path):
    create_app(Settings(instance=tmp_path, client_secret="s" * 32))
    assert not (tmp_path / "sandbox-client-secret").exists()


def test_secret_that_others_may_read_is_refused(tmp_path):
    path = tmp_path / "secret"
    path.write_text("known to all")
    path.chmod(0o644)
    with pytest.raises(UnsafeSecretFile, match="chmod 600"):
        read_or_create(path, str)


def test_of_two_processes_that_start_together_the_first_secret_counts(tmp_path):
    path = tmp_path / "secret"

    def while_another_is_first() -> str:
        read_or_create(path, lambda: "first")
        return "second"

    assert read_or_create(path, while_another_is_first) == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_log_names_nobody(party):
    with capture_logs() as events:
        party.tokens("olive")
        party.newcomer("Robin Canary", "robin@canary.example")
        party.authorize(client_id="canary")
    logged = repr(events)
    assert "person.chosen" in logged
    assert "authorization.refused" in logged
    for private in ("olive@", "Olive", "anary", "the-state", "the-nonce", party.secret):
        assert private not in logged


@pytest.mark.processes
def test_process_refuses_production(tmp_path):
    environ = os.environ | {"ANUMA_ENV": "production", "ANUMA_INSTANCE": str(tmp_path)}
    done = subprocess.run(MODULE, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "must not run with ANUMA_ENV" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.processes
def test_process_serves_and_stops_when_told(tmp_path, unused_port):
    environ = os.environ | {
        "ANUMA_ENV": "test",
        "ANUMA_INSTANCE": str(tmp_path),
        "ANUMA_SANDBOX_PORT": str(unused_port),
        "ANUMA_SANDBOX_SMTP_PORT": str(free_port()),
    }
    with subprocess.Popen(MODULE, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            first = json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert first["event"] == "sandbox.serving"
    assert first["issuer"] == f"http://localhost:{unused_port}"
