"""Content is stored only if allowed at arrival and at the write, and only encrypted."""

from __future__ import annotations

import secrets
import threading
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text, update

from anuma_dash.embedded.gateway.search import Search
from anuma_dash.embedded.gateway.tables import data_keys, request_contents
from tests.gateway.conftest import wait_until
from tests.gateway.dashboard import said

OFF = {"prompt_logging": {"enabled": False}}


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


class Stream:
    """A stream that stands still in the middle until `finish`."""

    def __init__(self, running, key, words, **fields):
        self.tag = secrets.token_hex(8)
        self.provider = running.provider
        running.provider.expect(self.tag)
        body = {"model": "fake/gated", "stream": True, "user": self.tag} | fields
        body["messages"] = [{"role": "user", "content": words}]
        self.response = None
        self.thread = threading.Thread(target=self._read, args=(running.base_url, key["secret"], body))
        self.thread.start()
        assert running.provider.arrived[self.tag].wait(60)

    def _read(self, base_url, secret, body):
        headers = {"authorization": f"Bearer {secret}"}
        with httpx.Client(timeout=30, trust_env=False, verify=False) as client:
            self.response = client.post(f"{base_url}/v1/chat/completions", json=body, headers=headers)

    def finish(self):
        self.provider.gates[self.tag].set()
        self.thread.join(15)
        return self.response


def held_keys(running, account):
    with running.gateway.stores.keys.read() as connection:
        query = select(data_keys.c.id).where(data_keys.c.account_id == account)
        return {str(key) for key in connection.scalars(query)}


def test_off_by_default(running, dashboard, account, key):
    running.chat(key["secret"])
    (row,) = dashboard.requests(account)
    expected = {"stored": False, "rule": "account_control", "level": "account", "epoch": 0}
    assert row["content"] == expected
    assert dashboard.content(account, row["id"]) == {"content": expected, "prompt": None, "response": None}


def test_round_trip(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    words = "Grüße, 世界! \U0001f600 " + "long " * 5000
    answer = running.chat(key["secret"], words)
    assert answer.headers["x-anuma-content-stored"] == "true"
    (row,) = dashboard.requests(account)
    content = dashboard.content(account, row["id"])
    assert said(content["prompt"]) == [("user", words)]
    assert said(content["response"]) == [("assistant", f"Echo: {words}")]
    assert row["content_bytes"] > 2 * len(words)
    assert held_keys(running, account) == {row["id"]}


def test_a_lone_surrogate_is_stored_and_read(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    body = b'{"model": "anuma/echo", "messages": [{"role": "user", "content": "half \\ud83d a pair"}]}'
    headers = {"authorization": f"Bearer {key['secret']}"}
    assert running.http.post("/v1/chat/completions", content=body, headers=headers).status_code == 200
    content = dashboard.content(account, dashboard.requests(account)[0]["id"])
    assert content["prompt"][0]["text"] == "half \ufffd a pair"


def test_switched_on_in_the_middle_is_not_stored(running, dashboard, account, key):
    stream = Stream(running, key, "sent while logging was off")
    dashboard.switch_logging(account, True)
    response = stream.finish()
    assert response.headers["x-anuma-content-stored"] == "false"
    (row,) = dashboard.requests(account)
    assert row["content"] == {"stored": False, "rule": "control_off_at_arrival", "level": "account", "epoch": 0}
    request = dashboard.get(account, f"/requests/{row['id']}")
    assert (request["policy_epoch_at_arrival"], request["policy_epoch_at_write"]) == (0, 1)
    assert held_keys(running, account) == set()


def test_switched_off_in_the_middle_is_not_stored(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    stream = Stream(running, key, "sent while logging was on")
    dashboard.switch_logging(account, False)
    response = stream.finish()
    assert response.headers["x-anuma-content-stored"] == "pending"
    (row,) = dashboard.requests(account)
    assert row["content"] == {"stored": False, "rule": "control_off_at_write", "level": "account", "epoch": 2}
    assert dashboard.content(account, row["id"])["prompt"] is None
    assert held_keys(running, account) == set(), "the unused key is destroyed"


def test_off_and_on_again_in_the_middle_is_stored(running, dashboard, account, key):
    """Allowed at both moments that count."""
    dashboard.switch_logging(account, True)
    stream = Stream(running, key, "in between")
    dashboard.switch_logging(account, False)
    dashboard.switch_logging(account, True)
    stream.finish()
    assert dashboard.requests(account)[0]["content"]["stored"] is True


def test_suspended_in_the_middle_is_not_stored(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    stream = Stream(running, key, "x")
    dashboard.call("PUT", account, body={"name": "Olive", "status": "suspended"})
    stream.finish()
    assert dashboard.requests(account)[0]["content"]["rule"] == "account_suspended"


def test_the_header_switches_off_and_never_on(running, dashboard, account, key):
    running.chat(key["secret"], headers={"x-anuma-store": "all"})
    dashboard.switch_logging(account, True)
    running.chat(key["secret"], headers={"x-anuma-store": "None"})
    running.chat(key["secret"], headers={"x-anuma-store": "something"})
    rules = [(row["content"]["stored"], row["content"]["rule"]) for row in reversed(dashboard.requests(account))]
    assert rules == [(False, "account_control"), (False, "request_header"), (True, "account_control")]


@pytest.mark.parametrize("model", ["no/such-model", "fake/fails"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_request_is_not_stored(running, dashboard, account, key, model, stream):
    dashboard.switch_logging(account, True)
    assert running.chat(key["secret"], "a readable prompt", model=model, stream=stream).status_code in (404, 502)
    (row,) = dashboard.requests(account)
    assert row["content"] == {"stored": False, "rule": "failed", "level": "none", "epoch": 1}


def test_a_stricter_key(running, dashboard, account, key):
    other = dashboard.new_key(account)
    dashboard.switch_logging(account, True, keys={key["id"]: OFF})
    running.chat(key["secret"])
    running.chat(other["secret"])
    stored = {row["key_id"]: row["content"]["rule"] for row in dashboard.requests(account, content="not_stored")}
    assert stored == {key["id"]: "key_control"}


def test_a_dump_holds_no_readable_word(running, dashboard, account, key):
    """Everything the gateway keeps: both databases, their logs, its own log."""
    dashboard.switch_logging(account, True)
    words = f"xylophone-{secrets.token_hex(8)}"
    running.chat(key["secret"], words, metadata={"conversation_id": words}, user=words)
    running.chat(key["secret"], words, model=words, headers={"x-request-id": words})
    running.chat(key["secret"], words, model="fake/fails", headers={"user-agent": words})
    results = Search(running.gateway.stores, running.gateway.log).look_for([words.encode()], running.gateway.now())
    assert len(results) == 3
    for result in results:
        assert result.control_found, f"the search of the {result.store} proves nothing"
        assert not result.found
    assert sum(row["content"]["stored"] for row in dashboard.requests(account)) == 1


def test_a_moved_ciphertext_does_not_decrypt(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    running.chat(key["secret"], "first")
    running.chat(key["secret"], "second")
    second, first = (row["id"] for row in dashboard.requests(account))
    column = request_contents.c
    with running.gateway.stores.main.write() as connection:
        query = select(column.nonce, column.ciphertext).where(column.request_id == UUID(first))
        moved = connection.execute(query).one()
        connection.execute(
            update(request_contents)
            .where(column.request_id == UUID(second))
            .values(nonce=moved.nonce, ciphertext=moved.ciphertext)
        )
    response = dashboard.call("GET", account, f"/requests/{second}/content")
    assert (response.status_code, response.json()["code"]) == (500, "content_unreadable")
    assert dashboard.content(account, first)["prompt"][0]["text"] == "first"


def test_a_moved_data_key_does_not_decrypt(running, dashboard, account, key):
    """Neither under another request, nor under another account."""
    dashboard.switch_logging(account, True)
    running.chat(key["secret"], "first")
    (row,) = dashboard.requests(account)
    other = dashboard.new_account()
    column = data_keys.c
    move = update(data_keys).where(column.id == UUID(row["id"]))
    with running.gateway.stores.keys.write() as connection:
        connection.execute(move.values(account_id=other))
    response = dashboard.call("GET", account, f"/requests/{row['id']}/content")
    assert response.json()["code"] == "content_unreadable"
    with running.gateway.stores.keys.write() as connection:  # the next test's keys are all to open
        connection.execute(move.values(account_id=account))


def test_content_past_its_period_is_not_shown(running, dashboard, account, key):
    dashboard.switch_logging(account, True, retention_days=1)
    running.chat(key["secret"], "soon gone")
    (row,) = dashboard.requests(account)
    shown = dashboard.get(account, f"/requests/{row['id']}")
    assert shown["expires_at"] > shown["created_at"]
    running.clock.advance(days=1, seconds=1)
    assert dashboard.content(account, row["id"])["content"]["rule"] == "expired"
    assert dashboard.content(account, row["id"])["prompt"] is None
    assert dashboard.requests(account, content="stored") == []
    assert dashboard.requests(account, content="not_stored")[0]["content"]["rule"] == "expired"
    inventory = dashboard.get(account, "/inventory")["rows"][0]
    assert (inventory["count"], inventory["expired_not_purged"]) == (1, 1)


def test_the_write_waits_for_a_change_under_way(running, dashboard, account, key):
    """The policy is read in the write's own transaction, after a change that has the lock."""
    dashboard.switch_logging(account, True)
    stream = Stream(running, key, "raced")
    with running.gateway.stores.main.write() as connection:
        lock = "" if running.gateway.stores.main.sqlite_file else " FOR UPDATE"
        connection.execute(text(f"SELECT id FROM accounts WHERE id = :id{lock}"), {"id": _raw(running, account)})
        running.provider.gates[stream.tag].set()
        connection.execute(
            text("UPDATE controls SET state = replace(state, 'true', 'false'), epoch = 9 WHERE account_id = :id"),
            {"id": _raw(running, account)},
        )
        wait_until(lambda: held_keys(running, account))
    stream.thread.join(15)
    (row,) = dashboard.requests(account)
    assert (row["content"]["rule"], row["content"]["epoch"]) == ("control_off_at_write", 9)


def _raw(running, account):
    return account.hex if running.gateway.stores.main.sqlite_file else account
