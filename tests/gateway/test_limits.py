"""How often a key may ask, how large a body may be and how long it may take, on both APIs."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import openai
import pytest

from anuma_dash.embedded.gateway.public.rates import Rates
from tests.gateway.conftest import run_gateway

LIMITS = {"ANUMA_GATEWAY_REQUESTS_PER_MINUTE": "3", "ANUMA_GATEWAY_BODY_SECONDS": "2"}


@pytest.fixture(scope="module")
def limited(provider, tmp_path_factory):
    """One gateway with tight limits; SQLite only, for the limits are not the database's."""
    with run_gateway(tmp_path_factory.mktemp("limited"), provider, LIMITS) as gateway:
        yield gateway


def test_a_key_that_asks_too_often_is_told_when_to_come_back(limited):
    account = limited.dashboard.new_account()
    secret, other = (limited.dashboard.new_key(account)["secret"] for _ in range(2))
    with openai.OpenAI(base_url=f"{limited.base_url}/v1", api_key=secret, max_retries=0) as client:
        for _ in range(3):
            client.embeddings.create(model="anuma/echo", input="x")
        with pytest.raises(openai.RateLimitError) as refused:
            client.responses.create(model="anuma/echo", input="x")
    assert refused.value.code == "rate_limit_exceeded"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 20
    assert limited.chat(other).status_code == 200, "each key by itself"
    rows = limited.dashboard.requests(account, status_class="4xx")
    assert [row["error_class"] for row in rows] == ["rate_limit_exceeded"]


def test_a_bucket_fills_again():
    now = [0.0]
    rates, key = Rates(6, clock=lambda: now[0]), uuid4()
    assert [rates.take(key) for _ in range(7)] == [0] * 6 + [10]
    now[0] = 4.0
    assert rates.take(key) == 6
    now[0] = 10.0
    assert [rates.take(key) for _ in range(2)] == [0, 10]
    now[0] = 1e6
    assert [rates.take(key) for _ in range(7)] == [0] * 6 + [10], "never more than a minute's worth"
    assert {Rates(0).take(key) for _ in range(100)} == {0}, "0 is no limit"


def test_a_million_keys_do_not_fill_the_memory():
    rates = Rates(1, clock=lambda: 0.0)
    patient = uuid4()
    for _ in range(10_500):
        rates.take(uuid4())
    assert (rates.take(patient), rates.take(patient)) == (0, 60)
    assert len(rates._buckets) == 10_000


def trickle(base_url, path, headers):
    """Begin a body and never end it; what the server says, and that it hangs up."""
    host, port = base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Length: 1000", *headers, "", "{"]
        connection.sendall("\r\n".join(lines).encode())
        answer = b""
        while received := connection.recv(65536):
            answer += received
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def test_a_body_that_trickles_in_is_cut_off(limited):
    account = limited.dashboard.new_account()
    secret = limited.dashboard.new_key(account)["secret"]
    paths = ("/v1/chat/completions", f"/internal/v1/accounts/{account}/keys")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda path: trickle(limited.base_url, path, [f"X-API-KEY: {secret}"]), paths))
    (public_status, public), (internal_status, internal) = answers
    assert (public_status, public["error"]["code"]) == (408, "request_timeout")
    assert (internal_status, internal["code"]) == (408, "request_timeout")
    (row,) = limited.dashboard.requests(account)
    assert (row["status"], row["error_class"], row["usage_source"]) == (408, "request_timeout", "none")


@pytest.mark.parametrize("with_length", [True, False])
def test_a_body_of_the_internal_api_is_bounded(served, with_length):
    account = served.dashboard.new_account()
    pieces = [b" " * 2**16] * 17
    content = b"".join(pieces) if with_length else iter(pieces)
    headers = {"content-type": "application/json"}
    refused = served.dashboard.call("PUT", account, "/controls", content=content, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "request_too_large")


def test_bodies_of_the_internal_api_are_json(served):
    account = served.dashboard.new_account()
    headers = {"content-type": "text/plain"}
    refused = served.dashboard.call("PUT", account, content=b'{"name": "x"}', headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")
    headers = {"content-type": "application/json; charset=utf-8"}
    assert served.dashboard.call("PUT", account, content=b'{"name": "x"}', headers=headers).status_code == 200
