"""Clients that go away, over real sockets."""

from __future__ import annotations

import json
import secrets
import socket
import struct

import pytest

from tests.gateway.conftest import wait_until


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


class RawClient:
    """A client whose socket is closed when the test says so."""

    def __init__(self, base_url, secret, **body):
        host, port = base_url.removeprefix("http://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60)
        content = json.dumps({"messages": [{"role": "user", "content": "hello there"}], **body}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + content)

    def read_until(self, words):
        seen = b""
        while words not in seen:
            received = self.socket.recv(65536)
            assert received, seen
            seen += received
        return seen

    def leave(self, *, rudely=False):
        if rudely:  # a reset instead of a goodbye
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def start(running, key, **body):
    tag = secrets.token_hex(8)
    running.provider.expect(tag)
    return tag, RawClient(running.base_url, key["secret"], user=tag, **body)


def assert_canceled_once(dashboard, account, status):
    (row,) = wait_until(lambda: dashboard.requests(account))
    assert (row["outcome"], row["error_class"], row["status"]) == ("canceled", "client_gone", status)
    assert row["usage_source"] == "estimated"
    assert row["cost_micro_usd"] > 0
    return row


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("rudely", [False, True])
def test_leaving_while_the_provider_is_silent(running, dashboard, account, key, stream, rudely):
    tag, client = start(running, key, model="fake/silent", stream=stream)
    assert running.provider.arrived[tag].wait(60)
    client.leave(rudely=rudely)
    assert running.provider.canceled[tag].wait(60), "the provider, which never speaks again, was not told"
    assert_canceled_once(dashboard, account, 499)


def test_leaving_in_the_middle_of_a_stream(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    tag, client = start(running, key, model="fake/stalls", stream=True)
    client.read_until(b"The answer")
    client.leave()
    assert running.provider.canceled[tag].wait(60)
    row = assert_canceled_once(dashboard, account, 200)
    assert row["completion_tokens"] == 3, "what came so far, estimated"
    content = dashboard.content(account, row["id"])
    assert content["response"][0]["text"] == "The answer"


def test_leaving_before_the_body_is_whole(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    host, port = running.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nX-API-KEY: {key['secret']}\r\n"
            "Content-Length: 1000\r\n\r\n{".encode()
        )
    (row,) = wait_until(lambda: dashboard.requests(account))
    assert (row["outcome"], row["usage_source"], row["cost_micro_usd"]) == ("canceled", "none", 0)
    assert (row["content"]["stored"], row["content"]["rule"]) == (False, "no_content")


def test_the_first_byte_does_not_wait_for_the_last(running, key):
    tag, client = start(running, key, model="fake/gated", stream=True)
    client.read_until(b"The answer")
    running.provider.gates[tag].set()
    seen = client.read_until(b"[DONE]")
    assert b"forty-two" in seen
    client.leave()


def test_many_leave_and_others_are_served(running, dashboard, account, key):
    clients = [start(running, key, model="fake/silent", stream=True) for _ in range(8)]
    for tag, client in clients:
        assert running.provider.arrived[tag].wait(60)
        client.leave()
    assert running.chat(key["secret"]).status_code == 200
    wait_until(lambda: len(dashboard.requests(account)) == 9)
    outcomes = [row["outcome"] for row in dashboard.requests(account)]
    assert outcomes.count("canceled") == 8
    assert dashboard.get(account, "/overview")["requests_ever"] == 9
