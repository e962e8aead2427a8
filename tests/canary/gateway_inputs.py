"""Every input of the gateway's two APIs. New endpoints of the public one need a line in `ENDPOINTS`."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from uuid import UUID, uuid4

import httpx

from anuma_dash.embedded.gateway.internal.application import internal_api
from tests.canary.bodies import all_marked, example, marked
from tests.canary.marks import Marks
from tests.gateway.dashboard import Dashboard

MODELS = (
    *("anuma/echo", "fake/plain", "fake/no-usage", "fake/fails", "fake/refuses", "fake/limited", "fake/garbage"),
    *("fake/breaks-off", "fake/error-event", "hasty/silent", "down/plain"),
)
KNOWN_WORDS = ("model", "role", "type", "id", "tool_call_id")
FUNCTION = {
    "name": "f",
    "description": "plain",
    "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
}
ENDPOINTS: dict[str, dict[str, Any]] = {
    "chat/completions": {
        "model": "anuma/echo",
        "messages": [
            {"role": "system", "content": "plain"},
            {"role": "user", "name": "plain", "content": [{"type": "text", "text": "plain"}]},
            {
                "role": "assistant",
                "content": "plain",
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c", "content": "plain"},
            {"role": "user", "content": "plain"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "metadata": {"topic": "plain", "conversation_id": "plain"},
        "user": "plain",
        "stop": ["plain"],
        "response_format": {"type": "text"},
        "stream": False,
    },
    "responses": {
        "model": "anuma/echo",
        "instructions": "plain",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "plain"}]}],
        "conversation_id": "plain",
        "previous_response_id": "plain",
        "metadata": {"topic": "plain"},
        "user": "plain",
        "stream": False,
    },
    "embeddings": {"model": "anuma/echo", "input": ["plain", "plain"], "user": "plain", "encoding_format": "float"},
    "models": {"query": "plain"},
    "memories": {"text": "plain", "app_ids": [str(uuid4())], "providers": ["plain"]},
    f"requests/{uuid4()}/evaluations": {"name": "plain", "score": 1, "comment": "plain"},
}
HEADERS = (
    *("User-Agent", "Referer", "X-Request-Id", "X-Anuma-Conversation-Id", "X-Anuma-Store", "Idempotency-Key"),
    *(
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "Accept-Language",
        "Cookie",
        "Origin",
        "OpenAI-Organization",
        "Traceparent",
    ),
    *("Accept", "Content-Type", "X-Unknown"),
)


def public_inputs(marks: Marks, base_url: str, secret: str) -> set[int]:
    """Send a mark through every input of the public API; returns the statuses that were answered."""
    statuses: set[int] = set()
    bearer = {"authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=base_url, timeout=30, trust_env=False) as http:
        for prefix in ("/v1", "/api/v1"):
            for endpoint, body in ENDPOINTS.items():
                path, name = f"{prefix}/{endpoint}", f"gateway {prefix}/{endpoint}"
                for one in marked(marks, name, body) if prefix == "/v1" else ():
                    statuses.add(http.post(path, json=one, headers=bearer).status_code)
                for stream in (False, True):
                    for model in MODELS if prefix == "/v1" else MODELS[:1]:
                        whole = all_marked(marks, f"{name} {model} {stream}", body, KNOWN_WORDS)
                        whole |= {"model": model, "stream": stream}
                        with contextlib.suppress(httpx.RemoteProtocolError):  # a stream that is broken off
                            statuses.add(http.post(path, json=whole, headers=bearer).status_code)
                for header in HEADERS:
                    given = bearer | {header: marks.new(f"{name} header {header}")}
                    statuses.add(http.post(path, json=body, headers=given).status_code)
                _odd_requests(marks, http, path, name, bearer, body)
            for header in ("Authorization", "X-API-KEY"):
                value = marks.new(f"gateway header {header}")
                http.get(f"{prefix}/models", headers={header: value})
                http.get(f"{prefix}/models", headers={header: f"Bearer anuma_live_{value}"})
            http.get(f"{prefix}/{marks.new('gateway path')}", headers=bearer)
            for times in (1, 2):  # servers have limits of their own
                http.request(marks.new("gateway method").upper() * times, f"{prefix}/models", headers=bearer)
        _leave(marks, http, bearer)
    return statuses


def _odd_requests(
    marks: Marks, http: httpx.Client, path: str, name: str, bearer: dict[str, str], body: dict[str, Any]
) -> None:
    http.post(path, content=f'{{"model": "{marks.new(f"{name} broken body")}", '.encode(), headers=bearer)
    http.post(path, content=marks.new(f"{name} no JSON").encode("utf-16"), headers=bearer)
    http.post(
        path, json=body, params={"q": marks.new(f"{name} query"), marks.new(f"{name} query name"): 1}, headers=bearer
    )
    large = marks.new(f"{name} oversized body") * (11 * 1024 * 1024 // 20)
    with contextlib.suppress(httpx.TransportError):  # refused before it was read to its end
        http.post(path, json=body | {"messages": [{"role": "user", "content": large}]}, headers=bearer)


def _leave(marks: Marks, http: httpx.Client, bearer: dict[str, str]) -> None:
    """Streams that the client leaves in the middle."""
    for model in ("fake/stalls", "fake/plain"):
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": marks.new(f"left {model}")}]}
        with http.stream("POST", "/v1/chat/completions", json=body, headers=bearer) as answer:
            next(answer.iter_bytes())


def internal_inputs(marks: Marks, dashboard: Dashboard, account: UUID) -> set[int]:
    """Send a mark through every input of the internal API, as its contract names them; returns the statuses."""
    contract = internal_api().openapi()
    components = contract["components"]["schemas"]
    statuses: set[int] = set()

    def send(method: str, path: str, **options: Any) -> None:
        answer = dashboard.call(method, account, path, **options)
        statuses.add(answer.status_code)

    for template, operations in contract["paths"].items():
        if "{acc}" not in template:
            continue
        rest = template.partition("{acc}")[2]
        for verb, operation in operations.items():
            method, name = verb.upper(), f"internal {verb.upper()} {rest}"
            parameters = operation.get("parameters", [])
            path = _filled(rest, lambda _: str(uuid4()))
            send(method, _filled(rest, lambda inner, name=name: marks.new(f"{name} {inner}")))
            for one in parameters:
                if one["in"] == "query":
                    send(method, path, params={one["name"]: marks.new(f"{name} query {one['name']}")})
            send(method, path, params={"nobody_knows_this": marks.new(f"{name} unknown query")})
            for header in ("x-request-id", "user-agent", "idempotency-key"):
                send(method, path, headers={header: marks.new(f"{name} header {header}")})
            if "requestBody" in operation:
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                body = example(schema, components) | ({"app_id": None} if rest == "/keys" else {})  # the default app
                send(method, path, body=body, headers={"idempotency-key": marks.new(f"{name} header idempotency-key")})
                for changed in marked(marks, name, body):
                    send(method, path, body=changed)
                send(method, path, content=f'{{"{marks.new(f"{name} broken body")}'.encode())
    for claim in ("sub", "acc", "aud", "iss", "jti", "act", "extra"):
        send("PUT", "/controls", claims={claim: marks.new(f"internal claim {claim}")}, body={})
    dashboard.http.get("/contract", headers={"authorization": f"Bearer {marks.new('internal token')}"})
    dashboard.http.get(f"/{marks.new('internal path')}")
    return statuses


def _filled(rest: str, value: Any) -> str:
    parts = [value(part) if part.startswith("{") else part for part in rest.split("/")]
    return "/".join(parts)


def content_of(dashboard: Dashboard, account: UUID, request_id: str) -> str:
    """The stored content of a request, as the API shows it."""
    return json.dumps(dashboard.content(account, request_id))
