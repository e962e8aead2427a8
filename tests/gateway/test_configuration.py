"""Settings, migrations, and the contract that is checked in."""

from __future__ import annotations

import base64
import json
import secrets
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from anuma_dash.embedded.gateway import tables
from anuma_dash.embedded.gateway.__main__ import main
from anuma_dash.embedded.gateway.encryption import KeyRing, Unreadable, new_data_key
from anuma_dash.embedded.gateway.environment import SettingsRefused, load_settings
from anuma_dash.embedded.gateway.migrations import SchemaRefused, migrate
from anuma_dash.embedded.gateway.openapi import CONTRACTS
from anuma_dash.embedded.gateway.stores import Store

ROOT = Path(__file__).parents[2]


def key_file(path, content=None, mode=0o600):
    path.write_bytes(content or base64.urlsafe_b64encode(secrets.token_bytes(32)))
    path.chmod(mode)
    return path


def production(tmp_path, **changes):
    (tmp_path / "jwks.json").write_text('{"keys": []}')
    environ = {
        "ANUMA_ENV": "production",
        "ANUMA_INSTANCE": str(tmp_path),
        "ANUMA_GATEWAY_DATABASE_URL": f"sqlite:///{tmp_path}/a.sqlite",
        "ANUMA_GATEWAY_KEYS_DATABASE_URL": f"sqlite:///{tmp_path}/b.sqlite",
        "ANUMA_GATEWAY_KEK_FILES": f"kek-1:{key_file(tmp_path / 'kek')}",
        "ANUMA_GATEWAY_TRUSTED_JWKS_FILE": str(tmp_path / "jwks.json"),
        "ANUMA_GATEWAY_JOURNAL_FILE": str(tmp_path / "journal.jsonl"),
    }
    return environ | changes


def test_development_needs_nothing(tmp_path):
    instance = tmp_path / "instance"
    settings = load_settings({"ANUMA_INSTANCE": str(instance)})
    assert (settings.environment, settings.host, settings.port) == ("development", "127.0.0.1", 8001)
    kek = instance / "gateway-kek.key"
    assert stat.S_IMODE(kek.stat().st_mode) == 0o600
    again = load_settings({"ANUMA_INSTANCE": str(instance)})
    assert again.key_encryption_keys == settings.key_encryption_keys, "made once"


def test_production_names_everything_that_is_missing(tmp_path):
    with pytest.raises(SettingsRefused) as refused:
        load_settings({"ANUMA_ENV": "production", "ANUMA_INSTANCE": str(tmp_path)})
    for name in ("DATABASE_URL", "KEYS_DATABASE_URL", "JOURNAL_FILE", "KEK_FILES", "TRUSTED_JWKS_FILE"):
        assert f"ANUMA_GATEWAY_{name} is missing" in str(refused.value)
    assert list(tmp_path.iterdir()) == [], "nothing is generated"


def test_production_starts_when_complete(tmp_path):
    settings = load_settings(production(tmp_path))
    assert settings.key_encryption_keys[0].id == "kek-1"


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (base64.b64encode(b"A" * 32), 0o600, "is not random"),
        (base64.b64encode(bytes(range(16))), 0o600, "must be 32 bytes"),
        (None, 0o644, "read by others"),
        (b"not base64 at all!", 0o600, "no readable file"),
    ],
)
def test_a_weak_key_encryption_key_is_refused(tmp_path, content, mode, words):
    weak = key_file(tmp_path / "weak", content, mode)
    with pytest.raises(SettingsRefused, match=words) as refused:
        load_settings(production(tmp_path, ANUMA_GATEWAY_KEK_FILES=f"kek-1:{weak}"))
    assert "ANUMA_GATEWAY_KEK_FILES (kek-1)" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ANUMA_ENV", "staging", "ANUMA_ENV must be"),
        ("ANUMA_GATEWAY_PORT", "many", "ANUMA_GATEWAY_PORT"),
        ("ANUMA_GATEWAY_PROVIDERS", "{", "not a JSON list"),
        ("ANUMA_GATEWAY_METRICS_TOKEN", "hunter2", "METRICS_TOKEN is shorter than 32"),
        ("ANUMA_GATEWAY_PROVIDERS", '[{"name": "x", "api_key": "hunter2"}]', "PROVIDERS.0.BASE_URL"),
        ("ANUMA_GATEWAY_TRUSTED_JWKS_FILE", "/nowhere", "no file there"),
    ],
)
def test_wrong_values_are_named_and_not_shown(tmp_path, name, value, words):
    with pytest.raises(SettingsRefused) as refused:
        load_settings(production(tmp_path, **{name: value}))
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_value_can_come_from_a_file(tmp_path):
    environ = production(tmp_path)
    name = "ANUMA_GATEWAY_DATABASE_URL"
    (tmp_path / "url").write_text(environ[name] + "\n")
    from_file = {key: value for key, value in environ.items() if key != name} | {f"{name}_FILE": str(tmp_path / "url")}
    assert load_settings(from_file) == load_settings(environ)
    for wrong, words in (
        (environ | from_file, f"{name} and {name}_FILE are both set"),
        (from_file | {f"{name}_FILE": "/nowhere"}, f"{name}_FILE names a file that cannot be read"),
    ):
        with pytest.raises(SettingsRefused, match=words):
            load_settings(wrong)


def test_bounds_are_for_operators_to_set(tmp_path):
    names = {"MAX_BODY_BYTES": "max_body_bytes", "BODY_SECONDS": "body_seconds", "MAX_STREAMS": "max_streams"}
    for name, field in names.items():
        environ = production(tmp_path)
        assert getattr(load_settings(environ | {f"ANUMA_GATEWAY_{name}": "7"}), field) == 7
        with pytest.raises(SettingsRefused, match=f"ANUMA_GATEWAY_{name}"):
            load_settings(environ | {f"ANUMA_GATEWAY_{name}": "0"})


def test_one_database_for_both_is_refused(tmp_path):
    environ = production(tmp_path)
    environ["ANUMA_GATEWAY_KEYS_DATABASE_URL"] = environ["ANUMA_GATEWAY_DATABASE_URL"]
    with pytest.raises(SettingsRefused, match="another database"):
        load_settings(environ)


def test_a_model_may_be_given_once(tmp_path):
    provider = provider_with("http://127.0.0.1", "anuma/echo")
    with pytest.raises(SettingsRefused, match="anuma/echo is built in"):
        load_settings(production(tmp_path, ANUMA_GATEWAY_PROVIDERS=json.dumps([provider])))


def test_two_providers_may_not_share_a_model(tmp_path):
    """Its terms would be those of whichever answers: give it two ids."""
    provider = provider_with("http://127.0.0.1", "same")
    environ = production(tmp_path, ANUMA_GATEWAY_PROVIDERS=json.dumps([provider, provider | {"name": "other"}]))
    with pytest.raises(SettingsRefused, match="each model id may be given once"):
        load_settings(environ)


def test_what_is_not_known_of_a_provider_is_assumed_to_be_the_worst(tmp_path):
    environ = production(tmp_path, ANUMA_GATEWAY_PROVIDERS=json.dumps([provider_with("http://127.0.0.1", "m")]))
    (provider,) = load_settings(environ).providers
    assert provider.retention == "unknown: assume that it retains"
    assert provider.training == "unknown: assume that it trains"
    assert (provider.region, provider.endpoints) == ("unknown", ("chat/completions",))


@pytest.mark.parametrize(
    "wrong",
    [{"endpoints": []}, {"endpoints": ["completions"]}, {"connect_timeout_seconds": 0}, {"total_timeout_seconds": 1e9}],
)
def test_a_provider_that_is_configured_wrongly(tmp_path, wrong):
    provider = provider_with("http://127.0.0.1", "m") | wrong
    with pytest.raises(SettingsRefused, match=next(iter(wrong)).upper()):
        load_settings(production(tmp_path, ANUMA_GATEWAY_PROVIDERS=json.dumps([provider])))


def provider_with(base_url, model):
    priced = {"id": model, "input_micro_usd_per_million": 0, "output_micro_usd_per_million": 0}
    return {"name": "x", "base_url": base_url, "api_key": "k", "models": [priced]}


def test_secrets_do_not_show_in_settings(tmp_path):
    settings = load_settings(production(tmp_path))
    assert settings.key_encryption_keys[0].secret.get_secret_value() not in repr(settings).encode()


def test_the_key_encryption_key_rotates(tmp_path):
    first = f"one:{key_file(tmp_path / 'one')}"
    second = f"two:{key_file(tmp_path / 'two')}"
    row, account = uuid4(), uuid4()

    def ring(files):
        return KeyRing(load_settings(production(tmp_path, ANUMA_GATEWAY_KEK_FILES=files)).key_encryption_keys)

    key = new_data_key()
    wrapped = ring(first).wrap(key, row, account)
    assert wrapped.kek_id == "one"
    assert ring(f"{second},{first}").unwrap(wrapped, row, account) == key
    assert ring(f"{second},{first}").wrap(key, row, account).kek_id == "two"
    with pytest.raises(Unreadable):
        ring(second).unwrap(wrapped, row, account)


def test_the_migrations_make_the_tables(running):
    for store, metadata in ((running.gateway.stores.main, tables.main), (running.gateway.stores.keys, tables.keys)):
        with store.read() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": "gateway_version"})
            assert compare_metadata(context, metadata) == []


def test_a_newer_schema_stops_the_start(tmp_path):
    settings = load_settings({"ANUMA_INSTANCE": str(tmp_path)})
    migrate(settings)
    migrate(settings)
    store = Store("main", settings.database_url.get_secret_value())
    with store.write() as connection:
        connection.execute(text("UPDATE gateway_version SET version_num = 'main_9999'"))
    store.close()
    with pytest.raises(SchemaRefused, match="has schema main_9999; this gateway knows up to main_0006"):
        migrate(settings)


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_contracts_are_current(name, capsys):
    """`python -m anuma_dash.embedded.gateway NAME > anuma_dash/gateway/NAME.yaml`"""
    assert main([name]) == 0
    contract = capsys.readouterr().out
    assert "openapi: 3.1" in contract
    assert (ROOT / f"anuma_dash/gateway/{name}.yaml").read_text() == contract


def test_the_command_says_how_it_is_used(capsys):
    assert main(["something"]) == 2
    assert "usage" in capsys.readouterr().err
