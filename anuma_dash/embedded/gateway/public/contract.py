"""The public API as OpenAPI 3.1: what the gateway itself asks of a body, and what it adds to OpenAI's answers."""

from __future__ import annotations

from typing import Any, Final, get_args

from pydantic import BaseModel

from anuma_dash.gateway.schemas import CONTRACT_VERSION, Evaluation, Memory, NewEvaluation, NewMemory

from ..settings import EndpointName
from .embeddings import MAX_INPUTS
from .endpoints import MAX_MESSAGES
from .remembering import ENDPOINTS as REMEMBERING

PREFIXES: Final = ("/v1", "/api/v1")
_TEXT: Final = {"type": "string", "minLength": 1}
_COUNT: Final = {"type": "integer", "minimum": 0}
_OPTIONAL_FLAG: Final = {"type": ["boolean", "null"]}
_OBJECT: Final = {"type": "object"}
_TOKENS: Final = {"type": "array", "minItems": 1, "items": _COUNT}

_SCHEMAS: Final[dict[str, Any]] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["message", "type", "code", "param"],
                "properties": {
                    "message": _TEXT,
                    "type": _TEXT,
                    "code": {**_TEXT, "description": "Stable, for programs"},
                    "param": {"type": ["string", "null"], "description": "Which field is meant"},
                },
            }
        },
    },
    "Price": {
        "type": "object",
        "required": ["usage_source", "cost_micro_usd", "credits_used", "pricing_source"],
        "properties": {
            "usage_source": {"enum": ["provider", "estimated"]},
            "cost_micro_usd": _COUNT,
            "credits_used": {"type": "number", "minimum": 0},
            "pricing_source": {"enum": ["configuration", "free"]},
        },
    },
    "Model": {
        "type": "object",
        "required": ["id", "object", "created", "owned_by", "pricing", "terms", "endpoints"],
        "properties": {
            "id": _TEXT,
            "object": {"const": "model"},
            "created": _COUNT,
            "owned_by": _TEXT,
            "pricing": {"type": "object", "additionalProperties": _COUNT},
            "terms": {
                "type": "object",
                "required": ["retention", "training", "region"],
                "additionalProperties": {"type": "string"},
            },
            "endpoints": {"type": "array", "items": _TEXT},
        },
    },
    "Models": {
        "type": "object",
        "required": ["object", "data"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
        },
    },
}

_MESSAGE: Final = {
    "type": "object",
    "required": ["role"],
    "properties": {"role": {"type": "string"}},
}
_REQUESTS: Final[dict[EndpointName, dict[str, Any]]] = {
    "chat/completions": {
        "required": ["model", "messages"],
        "properties": {
            "model": _TEXT,
            "messages": {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES, "items": _MESSAGE},
            "stream": _OPTIONAL_FLAG,
            "stream_options": {"type": ["object", "null"]},
        },
    },
    "responses": {
        "required": ["model", "input"],
        "properties": {
            "model": _TEXT,
            "input": {"anyOf": [_TEXT, {"type": "array", "minItems": 1, "maxItems": MAX_MESSAGES, "items": _OBJECT}]},
            "instructions": {"type": ["string", "null"]},
            "stream": _OPTIONAL_FLAG,
            "stream_options": {"type": ["object", "null"]},
            "previous_response_id": {"type": "null", "description": "No response is kept between requests"},
            "conversation": {"type": "null"},
            "background": {"enum": [False, None]},
        },
    },
    "embeddings": {
        "required": ["model", "input"],
        "properties": {
            "model": _TEXT,
            "input": {
                "anyOf": [
                    _TEXT,
                    _TOKENS,
                    {"type": "array", "minItems": 1, "maxItems": MAX_INPUTS, "items": {"anyOf": [_TEXT, _TOKENS]}},
                ]
            },
            "encoding_format": {"enum": ["float", "base64", None]},
            "dimensions": {"type": ["integer", "null"], "minimum": 1, "maximum": 4096},
            "stream": {"enum": [False, None]},
        },
    },
}
_ANSWERS: Final[dict[EndpointName, str]] = {
    "chat/completions": "choices",
    "responses": "output",
    "embeddings": "data",
}
_STORE: Final = {
    "name": "X-Anuma-Store",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`none` keeps this request's content out. No value switches storing on.",
}
_MEMORIES: Final = {
    "name": "X-Anuma-Memories",
    "in": "header",
    "schema": {"type": "string"},
    "description": "`none` lets no memories go along.",
}
_PAGING: Final = [
    {"name": "after", "in": "query", "schema": {"type": "string", "format": "uuid"}},
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 200}},
]
_MEMORY: Final = Memory.model_json_schema(mode="serialization")
_MEMORY_PAGE: Final = {
    "type": "object",
    "required": ["data", "next"],
    "properties": {
        "data": {"type": "array", "items": _MEMORY},
        "next": {"type": ["string", "null"], "format": "uuid"},
    },
}
_STREAMED: Final = ("chat/completions", "responses")


def public_contract() -> dict[str, Any]:
    """The contract of the public API."""
    paths: dict[str, Any] = {}
    for prefix in PREFIXES:
        for name in get_args(EndpointName):
            paths[f"{prefix}/{name}"] = {"post": _metered(prefix, name)}
        paths[f"{prefix}/models"] = {"get": _reading(prefix, "list_models", "Models")}
        one = _reading(prefix, "get_model", "Model")
        one["parameters"] = [{"name": "model", "in": "path", "required": True, "schema": _TEXT}]
        paths[f"{prefix}/models/{{model}}"] = {"get": one}
        evaluating = _keeping(prefix, "evaluate_request", NewEvaluation, Evaluation)
        uuid = {"type": "string", "format": "uuid"}
        evaluating["parameters"].append({"name": "request_id", "in": "path", "required": True, "schema": uuid})
        paths[f"{prefix}/requests/{{request_id}}/evaluations"] = {"post": evaluating}
        remembering = _reading(prefix, "list_memories", _MEMORY_PAGE)
        remembering["parameters"] = _PAGING
        paths[f"{prefix}/memories"] = {
            "get": remembering,
            "post": _keeping(prefix, "create_memory", NewMemory, Memory),
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Anuma gateway, public API",
            "description": "OpenAI's endpoints, with what they cost and what is stored. Generated from the code.",
            "version": CONTRACT_VERSION,
        },
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
            },
        },
    }


def _metered(prefix: str, name: EndpointName) -> dict[str, Any]:
    usage = {"allOf": [{"$ref": "#/components/schemas/Price"}]}
    body = {"type": "object", **_REQUESTS[name]}
    answer = {
        "type": "object",
        "required": [_ANSWERS[name], "usage"],
        "properties": {"usage": usage, _ANSWERS[name]: {"type": "array"}},
    }
    content: dict[str, Any] = {"application/json": {"schema": answer}}
    if name in _STREAMED:
        # Of no type: of the whole stream it would be a string, but checkers look at each event.
        content["text/event-stream"] = {"schema": {"description": "OpenAI's server-sent events."}}
    require = {
        "name": "X-Anuma-Require",
        "in": "header",
        "schema": {"type": "string", "pattern": "^(no-retention|no-training)( *, *(no-retention|no-training))*$"},
        "description": "403 unless the provider is known to keep nothing, or to train on nothing.",
    }
    return {
        "operationId": f"{name.replace('/', '_')}_{_suffix(prefix)}",
        "parameters": [_STORE, require, *([_MEMORIES] if name in REMEMBERING else [])],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "The answer", "headers": _policy_headers(), "content": content},
            **_refusals(),
        },
    }


def _reading(prefix: str, name: str, schema: str | dict[str, Any]) -> dict[str, Any]:
    shown = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    content = {"application/json": {"schema": shown}}
    return {
        "operationId": f"{name}_{_suffix(prefix)}",
        "responses": {"200": {"description": "What the key may reach", "content": content}, **_refusals()},
    }


def _keeping(prefix: str, name: str, sent: type[BaseModel], made: type[BaseModel]) -> dict[str, Any]:
    return {
        "operationId": f"{name}_{_suffix(prefix)}",
        "parameters": [_STORE],
        "requestBody": {"required": True, "content": {"application/json": {"schema": sent.model_json_schema()}}},
        "responses": {
            "201": {
                "description": "What is kept now",
                "content": {"application/json": {"schema": made.model_json_schema(mode="serialization")}},
            },
            **_refusals(),
        },
    }


def _suffix(prefix: str) -> str:
    return prefix.strip("/").replace("/", "_")


def _policy_headers() -> dict[str, Any]:
    return {
        "X-Request-Id": {"required": True, "schema": {"type": "string", "format": "uuid"}},
        "X-Anuma-Policy-Epoch": {"required": True, "schema": _COUNT},
        "X-Anuma-Content-Stored": {"required": True, "schema": {"enum": ["true", "false", "pending"]}},
    }


def _refusals() -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "4XX": {"description": "Refused", "content": content},
        "5XX": {"description": "Failed", "content": content},
    }
