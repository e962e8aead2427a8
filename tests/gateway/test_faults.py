"""A database that is away, and defects: the right answer, no traceback, and back without a restart."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from anuma_dash.embedded.gateway.public.echo import Echo
from tests.gateway.conftest import wait_until
from tests.gateway.test_storing import held_keys


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def away(*_args, **_kwargs):
    raise OperationalError("SELECT the prompt", {"text": "the prompt"}, Exception("the prompt"))


@pytest.mark.parametrize("part", ["read", "write"])
def test_a_database_that_is_away(running, dashboard, account, key, monkeypatch, part):
    hot_path = {"read": "look_up", "write": "write_quickly"}[part]
    with monkeypatch.context() as patch:
        patch.setattr(running.gateway.stores.main, part, away)
        patch.setattr(running.gateway.stores.main, hot_path, away)
        public = running.chat(key["secret"], "the prompt")
        internal = dashboard.call("GET" if part == "read" else "DELETE", account, f"/keys/{key['id']}")
        if part == "read":
            ready = running.http.get("/readyz")
            assert ready.status_code == 503
    assert (public.status_code, public.json()["error"]["code"]) == (503, "gateway_unavailable")
    assert (internal.status_code, internal.json()["code"]) == (503, "database_unavailable")
    assert public.headers["retry-after"] == internal.headers["retry-after"] == "5"
    assert "the prompt" not in running.settings.log_file.read_text()
    assert running.chat(key["secret"]).status_code == 200, "back without a restart"
    assert running.http.get("/readyz").status_code == 200


def test_the_key_database_is_away(running, dashboard, account, key, monkeypatch):
    """Content without a key is never written; neither is the answer given as if it were metered."""
    dashboard.switch_logging(account, True)
    with monkeypatch.context() as patch:
        patch.setattr(running.gateway.stores.keys, "write_quickly", away)
        assert running.chat(key["secret"]).status_code == 503
    assert dashboard.requests(account) == []


def test_a_write_that_fails_leaves_no_key(running, dashboard, account, key, monkeypatch):
    dashboard.switch_logging(account, True)
    with monkeypatch.context() as patch:
        patch.setattr(running.gateway.meter, "_write", away)
        assert running.chat(key["secret"]).status_code == 503
    assert held_keys(running, account) == set()


def test_a_stream_that_cannot_be_metered_is_broken_off(running, dashboard, account, key, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(running.gateway.meter, "settle", away)
        with pytest.raises(httpx.RemoteProtocolError):
            running.chat(key["secret"], stream=True)
    assert dashboard.requests(account) == []


def test_a_defect_is_answered_in_shape(running, dashboard, account, key, monkeypatch):
    def defect(*_args, **_kwargs):
        raise ValueError("the prompt")

    with monkeypatch.context() as patch:
        patch.setattr(running.gateway.stores.main, "read", defect)
        patch.setattr(running.gateway.stores.main, "look_up", defect)
        public = running.chat(key["secret"], "the prompt")
        internal = dashboard.call("GET", account)
    assert (public.status_code, public.json()["error"]["code"]) == (500, "internal_error")
    assert (internal.status_code, internal.json()["code"]) == (500, "internal_error")
    for answer in (public, internal):
        assert "the prompt" not in answer.text
        wait_until(lambda answer=answer: answer.headers["x-request-id"] in running.settings.log_file.read_text())
    assert "the prompt" not in running.settings.log_file.read_text()


def test_a_defect_in_a_route_is_metered_once(running, dashboard, account, key, monkeypatch):
    async def defect(*_args, **_kwargs):
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(Echo, "complete", defect)
        assert running.chat(key["secret"]).status_code == 500
    (row,) = dashboard.requests(account)
    assert (row["status"], row["error_class"], row["outcome"]) == (500, "internal_error", "failed")
