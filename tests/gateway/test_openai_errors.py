"""Every refusal of the public API: OpenAI's shape, metered once, and no words of a provider."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime

import openai
import pytest

from anuma_dash.embedded.gateway.api_keys import new_secret
from tests.gateway.provider import SECRET_WORDS


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def assert_error(response, status, code, kind=None):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "code", "param"}
    assert error["code"] == code
    if kind:
        assert error["type"] == kind
    assert "Traceback" not in response.text
    assert SECRET_WORDS not in response.text
    return error


def assert_metered_once(dashboard, account, status, code):
    (row,) = dashboard.requests(account)
    assert (row["status"], row["error_class"], row["outcome"]) == (status, code, "failed")
    assert (row["cost_micro_usd"], row["usage_source"]) == (0, "none")
    assert row["content"]["stored"] is False


def test_no_key(running):
    response = running.http.post("/v1/chat/completions", json={})
    assert_error(response, 401, "missing_api_key", "authentication_error")
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_mistyped_key_has_its_own_message(running, key):
    secret = key["secret"]
    swapped = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    error = assert_error(running.chat(swapped), 401, "mistyped_api_key")
    assert "checksum" in error["message"]


def test_an_unknown_key(running):
    assert_error(running.chat(new_secret("live")), 401, "invalid_api_key", "authentication_error")


def test_a_revoked_key(running, dashboard, account, key):
    dashboard.call("DELETE", account, f"/keys/{key['id']}")
    assert_error(running.chat(key["secret"]), 401, "revoked_api_key")
    assert_metered_once(dashboard, account, 401, "revoked_api_key")


def test_an_expired_key(running, dashboard, account):
    soon = running.clock().timestamp() + 60
    key = dashboard.new_key(account, expires_at=datetime.fromtimestamp(soon, UTC).isoformat())
    assert running.chat(key["secret"]).status_code == 200
    running.clock.advance(seconds=61)
    assert_error(running.chat(key["secret"]), 401, "expired_api_key")
    assert dashboard.get(account, f"/keys/{key['id']}")["state"] == "expired"


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_an_account_that_is_not_active(running, dashboard, account, key, status):
    dashboard.call("PUT", account, body={"name": "Olive", "status": status})
    error = assert_error(running.chat(key["secret"]), 403, f"account_{status}", "permission_error")
    assert status in error["message"]
    assert_metered_once(dashboard, account, 403, f"account_{status}")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{", "invalid_json", None),
        (b"\xff\xfe", "invalid_json", None),
        (b"[" * 100_000, "invalid_json", None),
        (b"[]", "invalid_body", None),
        (b'{"messages": []}', "invalid_body", "model"),
        (b'{"model": "anuma/echo", "messages": []}', "invalid_body", "messages"),
        (b'{"model": "anuma/echo", "messages": ["hi"]}', "invalid_body", "messages"),
        (b'{"model": "anuma/echo", "messages": [{"role": "user"}], "stream": 1}', "invalid_body", "stream"),
        (
            b'{"model": "anuma/echo", "messages": [{"role": "user"}], "stream_options": 1}',
            "invalid_body",
            "stream_options",
        ),
    ],
)
def test_a_bad_body(running, dashboard, account, key, body, code, param):
    headers = {"authorization": f"Bearer {key['secret']}"}
    response = running.http.post("/v1/chat/completions", content=body, headers=headers)
    assert assert_error(response, 422, code, "invalid_request_error")["param"] == param
    assert_metered_once(dashboard, account, 422, code)


def test_an_unknown_model_is_not_repeated_anywhere(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    response = running.chat(key["secret"], model="my secret prompt in the wrong field")
    assert_error(response, 404, "model_not_found")
    assert_metered_once(dashboard, account, 404, "model_not_found")
    assert dashboard.requests(account)[0]["model"] == "unknown"


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("fake/fails", 502, "provider_failed"),
        ("fake/refuses", 422, "provider_refused_request"),
        ("fake/limited", 429, "provider_rate_limited"),
        ("hasty/silent", 504, "provider_timed_out"),
        ("down/plain", 502, "provider_failed"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_fails(running, dashboard, account, key, model, status, code, stream):
    dashboard.switch_logging(account, True)
    response = running.chat(key["secret"], "words of the prompt", model=model, stream=stream)
    assert_error(response, status, code)
    if status == 429:
        assert response.headers["retry-after"] == "17"
    assert_metered_once(dashboard, account, status, code)


class TestRequiredTerms:
    """`X-Anuma-Require`: a request goes only to a provider whose terms are known to meet it, or nowhere."""

    @pytest.mark.parametrize(
        ("required", "model", "words"),
        [
            (
                "no-retention",
                "fake/plain",
                "and the terms of this model's provider are “30 days”",
            ),
            ("no-training", "keeps-nothing/plain", "are “unknown: assume that it trains”"),
            ("no-retention, no-training", "keeps-nothing/plain", "requires no-training"),
        ],
    )
    @pytest.mark.parametrize("stream", [False, True])
    def test_what_no_route_meets_is_sent_to_nobody(
        self, running, dashboard, account, key, required, model, words, stream
    ):
        dashboard.switch_logging(account, True)
        running.provider.bodies.clear()
        response = running.chat(key["secret"], model=model, stream=stream, headers={"x-anuma-require": required})
        error = assert_error(response, 403, "data_policy", "permission_error")
        assert words in error["message"]
        assert error["message"].endswith("It was not sent.")
        assert running.provider.bodies == []
        assert_metered_once(dashboard, account, 403, "data_policy")

    @pytest.mark.parametrize(
        ("required", "model"),
        [("no-retention", "keeps-nothing/plain"), ("no-retention,no-training", "anuma/echo")],
    )
    def test_what_a_route_meets_is_answered(self, running, key, required, model):
        response = running.chat(key["secret"], model=model, headers={"x-anuma-require": required})
        assert response.status_code == 200

    @pytest.mark.parametrize("required", ["no-retention, only-in-france", "No-Retention", ""])
    def test_what_nobody_here_can_check_is_not_promised(self, running, dashboard, account, key, required):
        response = running.chat(key["secret"], headers={"x-anuma-require": required})
        error = assert_error(response, 422, "unsupported_parameter")
        assert error["message"] == "X-Anuma-Require takes no-retention and no-training, nothing else."
        assert_metered_once(dashboard, account, 422, "unsupported_parameter")


@pytest.mark.parametrize("model", ["fake/breaks-off", "fake/error-event", "fake/garbage"])
def test_a_stream_that_breaks(running, dashboard, account, key, model):
    with openai.OpenAI(base_url=f"{running.base_url}/v1", api_key=key["secret"], max_retries=0) as client:
        messages = [{"role": "user", "content": "hi"}]
        stream = client.chat.completions.create(model=model, messages=messages, stream=True)
        with pytest.raises(openai.APIError, match="failed to answer"):
            list(stream)
    (row,) = dashboard.requests(account)
    assert (row["status"], row["outcome"], row["error_class"]) == (502, "failed", "provider_failed")


def test_a_provider_that_answers_garbage(running, dashboard, account, key):
    assert_error(running.chat(key["secret"], model="fake/garbage"), 502, "provider_failed")
    assert_metered_once(dashboard, account, 502, "provider_failed")


def test_a_body_over_the_limit_by_its_length(running, dashboard, account, key):
    response = running.chat(key["secret"], "x" * (10 * 2**20))
    assert_error(response, 413, "request_too_large")
    assert_metered_once(dashboard, account, 413, "request_too_large")


def test_a_body_over_the_limit_without_a_length(running, dashboard, account, key):
    def chunks():
        for _ in range(11):
            yield b" " * 2**20

    headers = {"authorization": f"Bearer {key['secret']}"}
    response = running.http.post("/v1/chat/completions", content=chunks(), headers=headers)
    assert_error(response, 413, "request_too_large")
    assert_metered_once(dashboard, account, 413, "request_too_large")


def test_unknown_paths_and_methods(running):
    assert_error(running.http.get("/v1/nothing"), 404, "not_found")
    assert_error(running.http.get("/v1/chat/completions"), 405, "method_not_allowed")


def test_garbage_instead_of_http(running):
    host, port = running.base_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 400")
    assert running.http.get("/healthz").status_code == 200


def test_errors_are_logged_without_words(running, dashboard, account, key):
    for model in ("fake/fails", "fake/refuses", "fake/garbage"):
        running.chat(key["secret"], "words-that-must-not-be-logged", model=model)
    lines = running.settings.log_file.read_text()
    assert "words-that-must-not-be-logged" not in lines
    assert SECRET_WORDS not in lines
    assert key["secret"] not in lines
    assert all(json.loads(line)["timestamp"].endswith("Z") for line in lines.splitlines())
