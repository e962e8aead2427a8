"""Responses, embeddings and models, as OpenAI's own Python client calls them."""

from __future__ import annotations

import math

import openai
import pytest

from tests.gateway.dashboard import said
from tests.gateway.provider import SECRET_WORDS

WORDS = "What is the answer?"


@pytest.fixture(scope="module")
def running(served):
    """What is said at these endpoints does not depend on the database; metering and storing are one path for all."""
    return served


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


@pytest.mark.parametrize(("model", "cost"), [("anuma/echo", 0), ("fake/plain", 11 * 2 + 7 * 10)])
@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_metered_priced_and_stored_as_a_chat_is(client, dashboard, account, model, cost, stream):
    dashboard.switch_logging(account, True)
    if stream:
        events = list(client.responses.create(model=model, instructions="Be brief.", input=WORDS, stream=True))
        kinds = [event.type for event in events]
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert "answer" in "".join(event.delta for event in events if event.type == "response.output_text.delta")
        answer = events[-1].response
    else:
        answer = client.responses.create(model=model, instructions="Be brief.", input=WORDS)
    assert "answer" in answer.output_text
    assert answer.model_extra["store"] is False, "the provider was asked not to keep it"
    request = only_request(dashboard, account)
    assert (request["endpoint"], request["model"], request["streamed"]) == ("responses", model, stream)
    assert (request["prompt_tokens"], request["completion_tokens"]) == (
        answer.usage.input_tokens,
        answer.usage.output_tokens,
    )
    assert request["cost_micro_usd"] == answer.usage.model_extra["cost_micro_usd"] == cost
    content = dashboard.content(account, request["id"])
    assert said(content["prompt"]) == [("system", "Be brief."), ("user", WORDS)]
    assert said(content["response"]) == [("assistant", answer.output_text)]


def test_the_built_in_model_streams_every_event_of_a_message(client):
    events = list(client.responses.create(model="anuma/echo", input="a" * 60, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    assert kinds == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta",) * 3,
        *("output_text.done", "content_part.done", "output_item.done", "completed"),
    ]


def test_items_of_every_kind_are_taken_as_words(client, dashboard, account):
    dashboard.switch_logging(account, True)
    parts = [{"type": "input_text", "text": "look"}, {"type": "input_image", "image_url": "data:,"}]
    items = [
        {"role": "user", "content": parts},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "done"},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "item_reference", "id": "x"},
    ]
    client.responses.create(model="anuma/echo", input=items)
    prompt = dashboard.content(account, only_request(dashboard, account)["id"])["prompt"]
    assert [(message["role"], message["text"]) for message in prompt] == [
        ("user", "look\n[input_image]"),
        ("assistant", "look\n{}"),
        ("tool", "done"),
        ("assistant", "hm"),
        ("assistant", "[item_reference]"),
    ]


@pytest.mark.parametrize("endpoint", ["responses", "chat/completions"])
def test_no_field_makes_the_provider_keep_an_answer(running, secret, endpoint):
    running.provider.bodies.clear()
    said = {"input": WORDS} if endpoint == "responses" else {"messages": [{"role": "user", "content": WORDS}]}
    body = {"model": "fake/plain", "store": True, "conversation_id": "c", **said}
    answer = running.http.post(f"/v1/{endpoint}", json=body, headers={"x-api-key": secret})
    assert answer.status_code == 200
    (sent,) = running.provider.bodies
    assert sent == {"model": "plain", "store": False, **said}


def test_the_provider_is_told_not_to_keep_a_response(running, client):
    running.provider.bodies.clear()
    client.responses.create(model="fake/plain", input=WORDS)
    assert [body["store"] for body in running.provider.bodies] == [False]


@pytest.mark.parametrize("endpoint", ["responses", "embeddings"])
def test_the_header_keeps_content_out_at_every_endpoint(running, dashboard, account, secret, endpoint):
    dashboard.switch_logging(account, True)
    body = {"model": "anuma/echo", "input": WORDS}
    for headers, stored in (({}, True), ({"x-anuma-store": "none"}, False)):
        answer = running.http.post(f"/v1/{endpoint}", json=body, headers={"x-api-key": secret, **headers})
        row = dashboard.requests(account)[0]
        assert (row["id"], row["content"]["stored"]) == (answer.headers["x-request-id"], stored)
        assert answer.headers["x-anuma-content-stored"] == str(stored).lower()
    assert row["content"]["rule"] == "request_header"


def test_a_model_that_fails_has_no_other_route(running, dashboard, account, secret):
    """Another provider would answer: nothing is ever sent to one that was not asked for."""
    running.provider.bodies.clear()
    assert running.chat(secret, model="down/plain").status_code == 502
    assert running.provider.bodies == []
    assert only_request(dashboard, account)["provider"] == "down"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"input": ""}, "input"),
        ({"input": ["words"]}, "input"),
        ({"input": 7}, "input"),
        ({"instructions": ["x"]}, "instructions"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_a_response_that_is_refused(client, dashboard, account, fields, param):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.responses.create(**{"model": "fake/plain", "input": WORDS} | fields)
    assert refused.value.param == param
    assert refused.value.code in ("unsupported_parameter", "invalid_body")
    assert only_request(dashboard, account)["error_class"] == refused.value.code


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/v1/embeddings"])
def test_embeddings_as_floats_and_as_bytes_are_the_same(running, client, path, secret):
    """The client asks for base64 by itself."""
    by_default = client.embeddings.create(model="anuma/echo", input=["red apple", "green apple", "submarine"])
    body = {"model": "anuma/echo", "input": ["red apple"], "encoding_format": "float"}
    plain = running.http.post(path, json=body, headers={"x-api-key": secret}).json()["data"][0]["embedding"]
    red, green, submarine = (row.embedding for row in by_default.data)
    assert red == pytest.approx(plain, abs=1e-6)
    assert (len(plain), math.hypot(*plain)) == (256, pytest.approx(1))

    def near(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert near(red, green) > near(red, submarine) + 0.3
    assert len(client.embeddings.create(model="anuma/echo", input="x", dimensions=8).data[0].embedding) == 8


def test_embeddings_are_metered_and_their_words_stored(client, dashboard, account):
    dashboard.switch_logging(account, True)
    answer = client.embeddings.create(model="fake/plain", input=["one", "two"])
    assert answer.usage.model_extra["cost_micro_usd"] == 11 * 2
    request = only_request(dashboard, account)
    assert (request["endpoint"], request["completion_tokens"], request["cost_micro_usd"]) == ("embeddings", 0, 22)
    content = dashboard.content(account, request["id"])
    assert [message["text"] for message in content["prompt"]] == ["one", "two"]
    assert content["response"] == [], "vectors are not kept"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": [""]}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [1.5]}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 5000}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"stream": True}, "stream"),
    ],
)
def test_embeddings_that_are_refused(running, secret, fields, param):
    body = {"model": "anuma/echo", "input": "x"} | fields
    answer = running.http.post("/v1/embeddings", json=body, headers={"x-api-key": secret})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, param)


@pytest.mark.parametrize("endpoint", ["responses", "embeddings"])
@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nowhere", 404, "model_not_found"),
        ("chat-only/plain", 404, "endpoint_not_supported"),
        ("fake/fails", 502, "provider_failed"),
        ("fake/refuses", 422, "provider_refused_request"),
        ("fake/limited", 429, "provider_rate_limited"),
        ("fake/garbage", 502, "provider_failed"),
    ],
)
def test_errors_are_the_same_at_every_endpoint(running, dashboard, account, secret, endpoint, model, status, code):
    body = {"model": model, "input": "words of the prompt"}
    answer = running.http.post(f"/v1/{endpoint}", json=body, headers={"x-api-key": secret})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert SECRET_WORDS not in answer.text
    assert (answer.headers["x-anuma-content-stored"], answer.headers["x-anuma-policy-epoch"]) == ("false", "0")
    row = only_request(dashboard, account)
    assert (row["endpoint"], row["status"], row["error_class"]) == (endpoint, status, code)


@pytest.mark.parametrize("model", ["fake/breaks-off", "fake/error-event"])
def test_a_stream_of_a_response_that_breaks(client, dashboard, account, model):
    stream = client.responses.create(model=model, input=WORDS, stream=True)
    with pytest.raises(openai.APIError, match="failed to answer") as broken:
        list(stream)
    assert SECRET_WORDS not in str(broken.value.body)
    row = only_request(dashboard, account)
    assert (row["status"], row["outcome"], row["usage_source"]) == (502, "failed", "estimated")
    assert row["completion_tokens"] == 3, "The answer"


def test_models_one_and_all(client):
    """An id has a slash in it; clients send it encoded."""
    assert {"anuma/echo", "fake/plain", "chat-only/plain"} <= {model.id for model in client.models.list()}
    one = client.models.retrieve("fake/plain")
    assert one.model_extra["terms"] == {"retention": "30 days", "training": "no", "region": "EU"}
    assert client.models.retrieve("chat-only/plain").model_extra["endpoints"] == ["/v1/chat/completions"]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("fake/nothing")


def test_a_test_key_sees_one_model(running, dashboard, account):
    headers = {"x-api-key": dashboard.new_key(account, "test")["secret"]}
    assert running.http.get("/api/v1/models/anuma/echo", headers=headers).json()["id"] == "anuma/echo"
    assert running.http.get("/api/v1/models/fake/plain", headers=headers).status_code == 404


def test_two_different_keys_in_one_request(running, dashboard, account, secret):
    other = dashboard.new_key(account)["secret"]
    headers = {"authorization": f"Bearer {secret}", "x-api-key": other}
    answer = running.http.get("/v1/models", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "conflicting_api_keys")
    headers["x-api-key"] = secret
    assert running.http.get("/v1/models", headers=headers).status_code == 200
