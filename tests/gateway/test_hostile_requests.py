"""What one caller can do to the others, to the provider's bill, and to what was promised about keeping."""

from __future__ import annotations

import json

import pytest

from anuma_dash.embedded.gateway.public.echo_words import pieces_of
from tests.gateway.conftest import run_gateway, wait_until
from tests.gateway.test_credit import assert_refused, give
from tests.gateway.test_disconnects import RawClient, start

WORDS = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def running(served):
    """None of this depends on the database."""
    return served


@pytest.fixture(scope="module")
def crowded(provider, tmp_path_factory):
    limits = {"ANUMA_GATEWAY_MAX_ACCOUNT_REQUESTS": "2", "ANUMA_GATEWAY_STALLED_SECONDS": "0.5"}
    with run_gateway(tmp_path_factory.mktemp("crowded"), provider, limits) as gateway:
        yield gateway


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def secret(dashboard, account):
    return dashboard.new_key(account)["secret"]


def post(running, secret, endpoint, body, headers=()):
    all_headers = [("authorization", f"Bearer {secret}"), ("content-type", "application/json"), *headers]
    return running.http.post(f"/v1/{endpoint}", content=json.dumps(body), headers=all_headers)


class TestWorkWhileEverybodyWaits:
    """One event loop serves everybody: what a request can make it do at a stretch is bounded, whatever it costs."""

    @pytest.mark.parametrize(
        ("endpoint", "field", "entry"),
        [("chat/completions", "messages", {"role": "user"}), ("responses", "input", {"content": "x"})],
    )
    def test_a_million_messages(self, running, secret, endpoint, field, entry):
        body = {"model": "anuma/echo", field: [entry] * 10_001}
        answer = post(running, secret, endpoint, body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, field)
        assert post(running, secret, endpoint, body | {field: [entry] * 10_000}).status_code == 200

    def test_a_small_request_for_millions_of_numbers(self, running, secret):
        body = {"model": "anuma/echo", "input": ["a"] * 2048, "dimensions": 4096}
        answer = post(running, secret, "embeddings", body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "dimensions")
        assert len(post(running, secret, "embeddings", body | {"input": ["a"] * 16}).json()["data"]) == 16

    @pytest.mark.parametrize("length", [0, 1, 24, 25, 24_001, 10_000_000])
    def test_a_long_answer_does_not_become_as_many_events(self, length):
        pieces = pieces_of("x" * length)
        assert len(pieces) <= 1000
        assert "".join(pieces) == "x" * length


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_no_json_are_not_passed_on(running, secret, number):
    body = f'{{"model": "anuma/echo", "input": "x", "temperature": {number}}}'
    answer = running.http.post("/v1/responses", content=body, headers={"x-api-key": secret})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_json")


class TestCredit:
    """What is set aside covers what the provider may do with the request."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"n": 4},
            {"max_tokens": 10, "n": 3000},
            {"max_completion_tokens": 1, "max_tokens": 9000},
            {"max_tokens": 9000.0},
            {"max_tokens": "9000"},
            {"max_tokens": 10, "functions": [{"name": "f", "description": "x" * 200_000}]},
            {"max_tokens": 10, "response_format": {"json_schema": {"description": "x" * 200_000}}},
        ],
    )
    def test_no_field_asks_for_more_than_was_set_aside(self, running, dashboard, account, secret, fields):
        give(dashboard, account, 4096 * 10 + 100)
        body = {"model": "fake/plain", "messages": WORDS}
        assert post(running, secret, "chat/completions", body).status_code == 200, "covered as long as it is one answer"
        give(dashboard, account, 4096 * 10 + 100, version=2, charged=92)
        running.provider.bodies.clear()
        assert_refused(post(running, secret, "chat/completions", body | fields))
        assert running.provider.bodies == []


class TestKeeping:
    @pytest.mark.parametrize(
        "headers",
        [
            [("X-Anuma-Store", "all"), ("X-Anuma-Store", "none")],
            [("X-Anuma-Store", "all, none")],
            [("X-Anuma-Store", '"none"')],
            [("X-Anuma-Store", "NONE")],
        ],
    )
    def test_none_is_obeyed_wherever_in_the_header_it_stands(self, running, dashboard, account, secret, headers):
        """A proxy that adds a header of its own, or joins two (RFC 9110, 5.3), must not switch it off."""
        dashboard.switch_logging(account, True)
        answer = post(running, secret, "chat/completions", {"model": "anuma/echo", "messages": WORDS}, headers)
        assert answer.headers["x-anuma-content-stored"] == "false"
        assert dashboard.requests(account)[0]["content"]["rule"] == "request_header"

    @pytest.mark.parametrize(
        ("endpoint", "said"),
        [("chat/completions", {"messages": WORDS}), ("responses", {"input": "x"}), ("embeddings", {"input": "x"})],
    )
    @pytest.mark.parametrize("store", [True, 1, "true", [False]])
    def test_no_field_makes_a_provider_keep_the_prompt(self, running, secret, endpoint, said, store):
        running.provider.bodies.clear()
        body = {"model": "fake/plain", "store": store, "prompt_cache_retention": "24h", **said}
        assert post(running, secret, endpoint, body).status_code == 200
        assert running.provider.bodies == [{"model": "plain", "store": False, **said}]


class TestPlaces:
    """Two requests an account, and half a second for a client that takes nothing of its answer."""

    @pytest.fixture
    def running(self, crowded):
        return crowded

    def test_one_account_leaves_room_for_others(self, running, dashboard, account, secret):
        under_way = [start(running, {"secret": secret}, model="fake/silent") for _ in range(2)]
        for tag, _ in under_way:
            assert running.provider.arrived[tag].wait(60)
        second_key = dashboard.new_key(account)["secret"]
        refused = running.chat(second_key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_at_once")
        assert refused.headers["retry-after"] == "1"
        assert running.chat(dashboard.new_key(dashboard.new_account())["secret"]).status_code == 200
        for _, client in under_way:
            client.leave()
        wait_until(lambda: len(dashboard.requests(account)) == 3)
        assert running.chat(secret).status_code == 200, "the places are given back"

    def test_a_client_that_never_reads_its_stream_holds_no_place(self, running, dashboard, account, secret):
        messages = [{"role": "user", "content": "x" * 9_000_000}]
        body = {"model": "anuma/echo", "stream": True, "messages": messages}
        deaf = [RawClient(running.base_url, secret, **body) for _ in range(2)]
        rows = wait_until(lambda: (found := dashboard.requests(account)) and len(found) == 2 and found)
        assert {(row["status"], row["outcome"]) for row in rows} == {(200, "canceled")}
        wait_until(lambda: running.chat(secret).status_code == 200)
        for client in deaf:
            client.leave()
