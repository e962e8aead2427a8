"""What the fake provider says at each endpoint."""

from __future__ import annotations

from typing import Any

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
RESPONSE_USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}


def whole(endpoint: str, behavior: str) -> dict[str, Any]:
    """A whole answer."""
    answer = {"chat/completions": chat, "responses": response, "embeddings": embedding}[endpoint](behavior)
    return {name: value for name, value in answer.items() if name != "usage"} if behavior == "no-usage" else answer


def chat(behavior: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "The answer is forty-two."}
    if behavior == "tool-call":
        function = {"name": "look", "arguments": '{"a": 1}'}
        message["tool_calls"] = [{"id": "c1", "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": behavior,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
    }


def response(behavior: str, status: str = "completed", *texts: str) -> dict[str, Any]:
    words = "".join(texts) or "The answer is forty-two."
    content = [{"type": "output_text", "text": words, "annotations": []}]
    output = [{"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}]
    if behavior == "tool-call":
        output.append({"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a": 1}'})
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": behavior,
        "output": output if status == "completed" else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "store": False,
        "usage": RESPONSE_USAGE if status == "completed" else None,
    }


def delta(text: str, number: int) -> dict[str, Any]:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    return {"type": "response.output_text.delta", **place, "delta": text, "sequence_number": number}


def embedding(behavior: str) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.6, 0.8]}],
        "model": behavior,
        "usage": {"prompt_tokens": 11, "total_tokens": 11},
    }
