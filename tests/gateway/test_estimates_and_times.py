"""Usage that nobody counted, and providers that take too long."""

from __future__ import annotations

import json
import math

import pytest

from tests.gateway.dashboard import said

PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def running(served):
    """What is said at these endpoints does not depend on the database; metering and storing are one path for all."""
    return served


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def key(dashboard, account):
    return dashboard.new_key(account)


def tokens(*texts):
    return math.ceil(sum(len(text.encode()) for text in texts) / 4)


ANSWER = tokens("The answer is forty-two.")
SAID = {"messages": [{"role": "user", "content": "x" * 40}]}
SEEN = {"messages": [{"role": "user", "content": [{"type": "text", "text": "look"}, PNG, PNG]}], "tools": [TOOL]}
CASES = {
    "chat": ("chat/completions", SAID, 10, ANSWER),
    "a chat with images and tools": (
        "chat/completions",
        SEEN,
        2 * 1000 + tokens("look\n[image_url]\n[image_url]") + tokens(json.dumps([TOOL])),
        ANSWER,
    ),
    "response": ("responses", {"input": "x" * 40}, 10, ANSWER),
    "embeddings of words": ("embeddings", {"input": ["x" * 40, "y" * 40]}, 20, 0),
    "embeddings of tokens": ("embeddings", {"input": [[1, 2, 3], [40_000]]}, 4, 0),
}


@pytest.mark.parametrize(
    ("case", "stream"),
    [(case, stream) for case in CASES for stream in (False, True) if "embed" not in case or not stream],
)
def test_usage_that_the_provider_does_not_send_is_estimated(running, dashboard, account, key, case, stream):
    endpoint, said, prompt, completion = CASES[case]
    body = {"model": "fake/no-usage", "stream": stream, **said}
    answer = running.http.post(f"/v1/{endpoint}", json=body, headers={"x-api-key": key["secret"]})
    assert answer.status_code == 200
    (row,) = dashboard.requests(account)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (prompt, completion)
    assert (row["usage_source"], row["cost_micro_usd"]) == ("estimated", prompt * 2 + completion * 10)
    if not stream:
        assert answer.json()["usage"]["usage_source"] == "estimated"


def test_the_arguments_of_a_streamed_tool_call_are_counted_and_stored(running, dashboard, account, key):
    dashboard.switch_logging(account, True)
    running.chat(key["secret"], model="fake/tool-call", stream=True)
    (row,) = dashboard.requests(account)
    words = 'The answerlook{"a": 1} is forty-two.'
    assert (row["usage_source"], row["completion_tokens"]) == ("estimated", tokens(words))
    assert said(dashboard.content(account, row["id"])["response"]) == [("assistant", words)]


@pytest.mark.parametrize(
    ("model", "said"),
    [("slow/stalls", "silence after the first byte"), ("slow/trickles", "steady, but over its whole time")],
)
def test_a_provider_that_takes_too_long_in_the_middle(running, dashboard, account, key, model, said):
    body = {"model": model, "messages": [{"role": "user", "content": said}], "stream": True}
    headers = {"x-api-key": key["secret"]}
    with running.http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        last = answer.read().strip().splitlines()[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "provider_timed_out"
    (row,) = dashboard.requests(account)
    assert (row["status"], row["error_class"], row["usage_source"]) == (504, "provider_timed_out", "estimated")
