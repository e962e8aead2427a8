"""Chat completions and models, as OpenAI's own client calls them."""

from __future__ import annotations

import openai
import pytest

MESSAGES = [{"role": "user", "content": "What is the answer?"}]


@pytest.fixture
def account(dashboard):
    return dashboard.new_account()


@pytest.fixture
def secret(dashboard, account):
    return dashboard.new_key(account)["secret"]


@pytest.fixture
def client(running, secret):
    with openai.OpenAI(base_url=f"{running.base_url}/v1", api_key=secret, max_retries=0) as client:
        yield client


def only_request(dashboard, account):
    (summary,) = dashboard.requests(account)
    return dashboard.get(account, f"/requests/{summary['id']}")


@pytest.mark.parametrize("model", ["anuma/echo", "fake/plain"])
def test_plain(client, dashboard, account, model):
    answer = client.chat.completions.create(model=model, messages=MESSAGES)
    assert "answer" in answer.choices[0].message.content
    request = only_request(dashboard, account)
    assert (request["status"], request["outcome"], request["model"]) == (200, "completed", model)
    assert request["prompt_tokens"] == answer.usage.prompt_tokens
    assert request["cost_micro_usd"] == answer.usage.model_extra["cost_micro_usd"]


@pytest.mark.parametrize("model", ["anuma/echo", "fake/plain", "fake/crlf"])
def test_streaming(client, dashboard, account, model):
    stream = client.chat.completions.create(model=model, messages=MESSAGES, stream=True)
    chunks = list(stream)
    assert "answer" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks), "usage was not asked for"
    request = only_request(dashboard, account)
    assert request["streamed"]
    assert request["usage_source"] == "provider"


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("anuma/echo", "provider"),
        ("fake/plain", "provider"),
        ("fake/usage-on-last", "provider"),
        ("fake/no-usage", "estimated"),
    ],
)
def test_streaming_with_usage(client, dashboard, account, model, source):
    options = {"include_usage": True}
    stream = client.chat.completions.create(model=model, messages=MESSAGES, stream=True, stream_options=options)
    counted = [chunk for chunk in stream if chunk.usage is not None]
    assert [chunk.choices for chunk in counted] == [[]], "once, in the last chunk"
    request = only_request(dashboard, account)
    assert request["usage_source"] == counted[0].usage.model_extra["usage_source"] == source
    assert request["completion_tokens"] == counted[0].usage.completion_tokens > 0


def test_the_price_is_applied_and_kept(running, client, dashboard, account):
    running.clock.pass_midnight()
    answer = client.chat.completions.create(model="fake/plain", messages=MESSAGES)
    cost = 11 * 2 + 7 * 10  # 2 and 10 micro-USD per token
    assert answer.usage.model_extra == {
        "usage_source": "provider",
        "cost_micro_usd": cost,
        "credits_used": cost / 10_000,
        "pricing_source": "configuration",
    }
    request = only_request(dashboard, account)
    assert request["cost_micro_usd"] == cost
    assert request["input_price_micro_usd_per_million"] == 2_000_000
    assert (request["provider_retention"], request["provider_training"]) == ("30 days", "no")
    (key,) = dashboard.get(account, "/keys")["data"]
    assert key["spent_month_micro_usd"] == cost
    assert key["last_used_at"] == request["created_at"]


def test_echo_is_deterministic_and_free(client):
    first, second = (client.chat.completions.create(model="anuma/echo", messages=MESSAGES) for _ in range(2))
    assert first.choices == second.choices
    assert first.usage == second.usage
    assert first.usage.model_extra["cost_micro_usd"] == 0


def test_the_provider_gets_the_body_as_sent(running, secret):
    running.provider.bodies.clear()
    running.chat(secret, "exactly", model="fake/plain", temperature=0.25, user="olive")
    (body,) = running.provider.bodies
    message = {"role": "user", "content": "exactly"}
    assert body == {"model": "plain", "messages": [message], "temperature": 0.25, "user": "olive"}


@pytest.mark.parametrize("path", ["/v1", "/api/v1"])
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_both_paths_and_both_headers(running, secret, path, header):
    headers = {header: secret if header == "x-api-key" else f"Bearer {secret}"}
    body = {"model": "anuma/echo", "messages": MESSAGES}
    answer = running.http.post(f"{path}/chat/completions", json=body, headers=headers)
    assert answer.status_code == 200
    models = running.http.get(f"{path}/models", headers=headers).json()["data"]
    assert models[0]["id"] == "anuma/echo"
    assert any(model["id"] == "fake/plain" and model["terms"]["training"] == "no" for model in models)


def test_response_headers(running, dashboard, account, secret):
    answer = running.chat(secret)
    assert answer.headers["x-request-id"] == dashboard.requests(account)[0]["id"]
    assert answer.headers["x-anuma-policy-epoch"] == "0"
    assert answer.headers["x-anuma-content-stored"] == "false"


def test_a_test_key_reaches_the_built_in_model_only(running, dashboard, account):
    secret = dashboard.new_key(account, "test")["secret"]
    assert running.chat(secret).status_code == 200
    refused = running.chat(secret, model="fake/plain")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    headers = {"x-api-key": secret}
    assert [m["id"] for m in running.http.get("/v1/models", headers=headers).json()["data"]] == ["anuma/echo"]
    assert {row["environment"] for row in dashboard.requests(account)} == {"test"}


def test_parts_and_tool_calls_are_taken_as_words(running, dashboard, account, secret):
    dashboard.switch_logging(account, True)
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "done"},
    ]
    running.chat(secret, messages=messages)
    prompt = dashboard.content(account, dashboard.requests(account)[0]["id"])["prompt"]
    assert [message["role"] for message in prompt] == ["user", "assistant", "tool"]
    assert prompt[0]["text"] == "look\n[image_url]"
    assert '"name": "f"' in prompt[1]["text"]
