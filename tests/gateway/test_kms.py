"""Key-encryption keys in the environment, and by a key management that is plugged in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sys
from types import ModuleType
from uuid import UUID

import pytest
from sqlalchemy import select

from anuma_dash.embedded.gateway.encryption import Sealed, Unreadable, WrappedKey, seal, unseal
from anuma_dash.embedded.gateway.environment import SettingsRefused, load_settings
from anuma_dash.embedded.gateway.kms import KmsRefused, key_management
from anuma_dash.embedded.gateway.rewrapping import rewrap
from anuma_dash.embedded.gateway.tables import data_keys
from tests.gateway.conftest import run_gateway
from tests.gateway.test_configuration import production


class KeyService:
    """A key management as an operator might plug it in: it holds its keys itself and hands out none."""

    root = secrets.token_bytes(32)
    names = ("first",)
    calls = 0

    @property
    def current(self):
        return self.names[0]

    @property
    def identifiers(self):
        return self.names

    def wrap(self, key, row, account):
        KeyService.calls += 1
        return WrappedKey(self.current, seal(self._key(self.current), key, table="kms", row=row, account=account))

    def unwrap(self, wrapped, row, account):
        if wrapped.kek_id not in self.names:
            raise Unreadable
        return unseal(self._key(wrapped.kek_id), wrapped.sealed, table="kms", row=row, account=account)

    def _key(self, name):
        return hmac.new(self.root, name.encode(), hashlib.sha256).digest()


@pytest.fixture
def plugged(monkeypatch):
    """The module that the setting names."""
    module = ModuleType("operators_keys")
    module.make = KeyService
    module.nothing = dict
    module.KeyService = KeyService
    monkeypatch.setitem(sys.modules, "operators_keys", module)
    monkeypatch.setattr(KeyService, "names", ("first",))
    return {"ANUMA_GATEWAY_KMS": "operators_keys:make"}


def wrapped_by(gateway):
    with gateway.stores.keys.read() as connection:
        return set(connection.scalars(select(data_keys.c.kek_id)))


def test_a_plugged_in_key_management_wraps_and_rotates(plugged, provider, tmp_path, monkeypatch):
    with run_gateway(tmp_path, provider, plugged) as running:
        dashboard = running.dashboard
        account = dashboard.new_account()
        key = dashboard.new_key(account)
        dashboard.switch_logging(account, True)
        first = running.chat(key["secret"], "under the first key").headers["x-request-id"]
        assert wrapped_by(running.gateway) == {"first"}
        assert KeyService.calls

        monkeypatch.setattr(KeyService, "names", ("second", "first"))
        second = running.chat(key["secret"], "under the second key").headers["x-request-id"]
        assert wrapped_by(running.gateway) == {"first", "second"}
        rewrap(running.settings)
        assert wrapped_by(running.gateway) == {"second"}
        monkeypatch.setattr(KeyService, "names", ("second",))
        assert running.gateway.vault.missing_keys() == []
        for request in (first, second):
            assert "key" in dashboard.content(account, request)["prompt"][0]["text"]
        monkeypatch.setattr(KeyService, "names", ("third",))
        assert running.gateway.vault.missing_keys() == ["second"]


def test_a_wrapped_key_that_was_moved_does_not_open(plugged, tmp_path):
    service = key_management(load_settings({"ANUMA_INSTANCE": str(tmp_path), **plugged}))
    wrapped = service.wrap(b"k" * 32, UUID(int=1), UUID(int=2))
    assert service.unwrap(wrapped, UUID(int=1), UUID(int=2)) == b"k" * 32
    for row, account in ((3, 2), (1, 3)):
        with pytest.raises(Unreadable):
            service.unwrap(wrapped, UUID(int=row), UUID(int=account))
    with pytest.raises(Unreadable):
        service.unwrap(WrappedKey("first", Sealed(wrapped.sealed.nonce, b"x" * 48)), UUID(int=1), UUID(int=2))


@pytest.mark.parametrize("named", ["operators_keys:nothing", "operators_keys:missing", "no_such_module_here:make"])
def test_what_is_no_key_management_stops_the_start(plugged, tmp_path, named):
    settings = load_settings({"ANUMA_INSTANCE": str(tmp_path), "ANUMA_GATEWAY_KMS": named})
    with pytest.raises(KmsRefused, match="gives no key management"):
        key_management(settings)


def test_a_key_management_that_wraps_under_an_unknown_key_stops_the_start(plugged, tmp_path, monkeypatch):
    monkeypatch.setattr(KeyService, "names", ("x" * 65,))
    with pytest.raises(KmsRefused, match="names its keys wrongly"):
        key_management(load_settings({"ANUMA_INSTANCE": str(tmp_path), **plugged}))


def text(secret):
    return base64.urlsafe_b64encode(secret).decode()


def test_keys_in_the_environment(tmp_path):
    new, old = secrets.token_bytes(32), secrets.token_bytes(32)
    environ = production(tmp_path, ANUMA_GATEWAY_KEKS=f"new:{text(new)},old:{text(old)}")
    del environ["ANUMA_GATEWAY_KEK_FILES"]
    settings = load_settings(environ)
    assert key_management(settings).identifiers == ["new", "old"]
    assert key_management(settings).current == "new"
    assert text(new) not in repr(settings)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (f"new:{text(b'short')}", "must be 32 bytes"),
        (f"new:{text(b'a' * 32)}", "is not random"),
        ("new:not base64", "must be 32 bytes"),
        pytest.param(text(secrets.token_bytes(32)), "KEKS (no identifier)", id="without an identifier"),
    ],
)
def test_weak_keys_in_the_environment_are_refused_and_not_shown(tmp_path, value, words):
    environ = production(tmp_path, ANUMA_GATEWAY_KEKS=value)
    del environ["ANUMA_GATEWAY_KEK_FILES"]
    with pytest.raises(SettingsRefused) as refused:
        load_settings(environ)
    assert words in str(refused.value)
    assert value not in str(refused.value)


def test_one_way_of_giving_keys(tmp_path):
    with pytest.raises(SettingsRefused, match="KEK_FILES and ANUMA_GATEWAY_KMS are both set"):
        load_settings(production(tmp_path, ANUMA_GATEWAY_KMS="operators_keys:make"))
