"""OpenAI's JavaScript client, its Python client's errors, and plain curl."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import openai
import pytest

from tests.gateway.conftest import wait_until

ROOT = Path(__file__).parents[2]
NODE = Path(sys.executable).with_name("node")
COST = 11 * 2 + 7 * 10
MESSAGES = [{"role": "user", "content": "What is the answer?"}]
ERRORS = {
    "mistyped": (401, "AuthenticationError", "mistyped_api_key"),
    "poor": (402, "APIError", "out_of_credit"),
    "forbidden": (403, "PermissionDeniedError", "model_not_allowed"),
    "missing": (404, "NotFoundError", "model_not_found"),
    "large": (413, "APIError", "request_too_large"),
    "body": (422, "UnprocessableEntityError", "invalid_body"),
    "limited": (429, "RateLimitError", "provider_rate_limited"),
    "failed": (502, "InternalServerError", "provider_failed"),
    "late": (504, "InternalServerError", "provider_timed_out"),
}


class Keys:
    """A key that may do everything, one of an account out of credit, and a test key."""

    def __init__(self, dashboard):
        self.account, self.poor_account = dashboard.new_account(), dashboard.new_account()
        self.good = dashboard.new_key(self.account)["secret"]
        self.test = dashboard.new_key(self.account, "test")["secret"]
        self.poor = dashboard.new_key(self.poor_account)["secret"]
        nothing = {"available_micro_usd": 0, "charged_micro_usd": 0, "version": 1}
        assert dashboard.call("PUT", self.poor_account, "/credit", body=nothing).status_code == 200


@pytest.fixture(scope="module")
def keys(served):
    return Keys(served.dashboard)


def javascript(served, keys, group, tag=""):
    environ = {"BASE_URL": f"{served.base_url}/v1", "API_KEY": keys.good, "POOR_KEY": keys.poor, "TEST_KEY": keys.test}
    done = subprocess.run(
        [NODE, ROOT / "tests" / "peers" / "openai_client.mjs", group],
        env=environ | {"TAG": tag},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_what_the_javascript_client_gets(served, keys):
    got = javascript(served, keys, "answers")
    assert got["chat"]["choices"][0]["message"]["content"] == got["chunks"] == "The answer is forty-two."
    assert {usage["cost_micro_usd"] for usage in (got["chat"]["usage"], got["chunkUsage"])} == {COST}
    assert got["response"]["output_text"] == "The answer is forty-two."
    assert (got["events"][0], got["events"][-1]) == ("response.created", "response.completed")
    assert got["eventUsage"]["input_tokens_details"] == {"cached_tokens": 3}, "the provider's own fields stay"
    assert {usage["cost_micro_usd"] for usage in (got["response"]["usage"], got["eventUsage"])} == {COST}
    vectors = [row["embedding"] for row in got["embeddings"]["data"]]
    assert [len(vector) for vector in vectors] == [16, 16]
    assert sum(value * value for value in vectors[0]) == pytest.approx(1, abs=1e-5)
    assert {"anuma/echo", "fake/plain"} <= set(got["models"])
    assert got["model"]["owned_by"] == "fake"


def test_errors_as_the_javascript_client_raises_them(served, keys):
    got = javascript(served, keys, "errors")
    for name, (status, kind, code) in ERRORS.items():
        assert (got[name]["status"], got[name]["kind"], got[name]["code"]) == (status, kind, code), name
    assert got["limited"]["retryAfter"] == "17"
    assert got["body"]["param"] == "input"
    for name in ("brokenChat", "brokenResponse"):
        assert (got[name]["kind"], got[name]["code"]) == ("APIError", "provider_failed"), name


def test_the_javascript_client_leaves_in_the_middle(served):
    own, tag = Keys(served.dashboard), secrets.token_hex(8)
    served.provider.expect(tag)
    assert javascript(served, own, "abort", tag) == {"first": "The answer"}
    assert served.provider.canceled[tag].wait(60)
    (row,) = wait_until(lambda: served.dashboard.requests(own.account))
    assert (row["outcome"], row["status"], row["usage_source"]) == ("canceled", 200, "estimated")


def test_errors_as_the_python_client_raises_them(served, keys):
    url = f"{served.base_url}/v1"
    with (
        openai.OpenAI(base_url=url, api_key=keys.good, max_retries=0) as good,
        openai.OpenAI(base_url=url, api_key=keys.poor, max_retries=0) as poor,
        openai.OpenAI(base_url=url, api_key=keys.test, max_retries=0) as test,
        openai.OpenAI(base_url=url, api_key="nonsense", max_retries=0) as mistyped,
    ):
        calls = {
            "mistyped": lambda: mistyped.models.list(),
            "poor": lambda: poor.chat.completions.create(model="fake/plain", messages=MESSAGES),
            "forbidden": lambda: test.responses.create(model="fake/plain", input="x"),
            "missing": lambda: good.embeddings.create(model="nowhere", input="x"),
            "large": lambda: good.responses.create(model="anuma/echo", input="x" * (10 * 2**20)),
            "body": lambda: good.responses.create(model="anuma/echo", input=[]),
            "limited": lambda: good.chat.completions.create(model="fake/limited", messages=MESSAGES),
            "failed": lambda: good.responses.create(model="fake/fails", input="x"),
            "late": lambda: good.chat.completions.create(model="hasty/silent", messages=MESSAGES),
        }
        assert calls.keys() == ERRORS.keys()
        for name, call in calls.items():
            status, kind, code = ERRORS[name]
            with pytest.raises(openai.APIStatusError) as raised:
                call()
            error = raised.value
            python_kind = {"APIError": "APIStatusError"}.get(kind, kind)
            assert (error.status_code, type(error).__name__, error.code) == (status, python_kind, code), name
            assert (error.response.headers.get("retry-after") == "17") is (name == "limited")


def curl(*arguments, data=None):
    if not shutil.which("curl"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("curl is not installed (Debian: apt-get install curl)")
    command = ["curl", "--silent", "--show-error", "--no-buffer", "--max-time", "30", "--noproxy", "*", *arguments]
    if data is not None:
        command += ["--data-binary", "@-"]
    return subprocess.run(command, input=data, capture_output=True, text=True, check=True, timeout=40).stdout


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_curl(served, keys, prefix):
    url, key = f"{served.base_url}{prefix}", f"X-API-KEY: {keys.good}"
    body = json.dumps({"model": "anuma/echo", "messages": MESSAGES})
    assert "What is the answer?" in curl(f"{url}/chat/completions", "-H", key, data=body), "without a content type"
    stream = curl(f"{url}/responses", "-H", key, data='{"model": "anuma/echo", "input": "hi", "stream": true}')
    assert stream.startswith("event: response.created\ndata: {")
    assert "event: response.completed\n" in stream
    assert json.loads(curl(f"{url}/models/anuma/echo", "-H", key))["id"] == "anuma/echo"
    large = json.dumps({"model": "anuma/echo", "input": "x" * (2 * 2**20)})
    counted = json.loads(curl(f"{url}/embeddings", "-H", key, data=large))["usage"]
    assert counted["prompt_tokens"] == 2**19, "a body for which curl waits to be asked (Expect: 100-continue)"
    refused = curl(f"{url}/models", "--write-out", "\n%{http_code} %{content_type}")
    assert json.loads(refused.splitlines()[0])["error"]["code"] == "missing_api_key"
    assert refused.splitlines()[1] == "401 application/json"
