"""Refusals of the public API, in OpenAI's error shape. None of them quotes a provider's words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

Headers = list[tuple[bytes, bytes]]


class Refusal(Exception):
    """An answer other than success.

    Args:
        status: the HTTP status.
        code: stable, for programs; also the request log's error class.
        message: for people.
        param: which field of the body is meant.
        retry_after_seconds: when to try again, if that is known.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.retry_after_seconds = retry_after_seconds

    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "api_error")
        return {"error": {"message": self.message, "type": kind, "code": self.code, "param": self.param}}

    def encode(self) -> bytes:
        """The error object as bytes."""
        return json.dumps(self.body()).encode()

    def headers(self) -> Headers:
        """Headers that belong to this refusal."""
        headers = [(b"content-type", b"application/json")]
        if self.retry_after_seconds is not None:
            headers.append((b"retry-after", str(self.retry_after_seconds).encode()))
        if self.status == 408:  # the rest of the body is not waited for
            headers.append((b"connection", b"close"))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


_TYPES = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 429: "rate_limit_error"}


def no_key() -> Refusal:
    """No credentials at all."""
    return Refusal(401, "missing_api_key", "Give your API key as 'Authorization: Bearer KEY' or 'X-API-KEY: KEY'.")


def mistyped_key() -> Refusal:
    """Refused by shape or checksum, without a look-up."""
    return Refusal(
        401,
        "mistyped_api_key",
        "This cannot be an API key: its checksum does not fit, so it was probably mistyped or cut off. Copy it again.",
    )


def unknown_key() -> Refusal:
    """Well-formed, but not one of ours."""
    return Refusal(401, "invalid_api_key", "This API key does not exist.")


def revoked_key() -> Refusal:
    """It was one of ours."""
    return Refusal(401, "revoked_api_key", "This API key was revoked.")


def expired_key() -> Refusal:
    """Past its own end."""
    return Refusal(401, "expired_api_key", "This API key has expired.")


def account_not_active(status: str) -> Refusal:
    """The account is suspended or closed; `status` says which."""
    return Refusal(403, f"account_{status}", f"This account is {status}. Its API keys do not work meanwhile.")


def deactivated_key() -> Refusal:
    """It stopped when its account was suspended or closed, and nobody has activated it since."""
    message = "This API key was deactivated together with its account. It has to be activated again on the keys page."
    return Refusal(403, "deactivated_api_key", message)


def too_large(limit_bytes: int) -> Refusal:
    """The body is over the limit."""
    return Refusal(413, "request_too_large", f"The request body is over {limit_bytes // 2**20} MB.")


def bad_body(code: str, message: str, param: str | None = None) -> Refusal:
    """The body is not what the endpoint takes."""
    return Refusal(422, code, message, param=param)


def not_supported(param: str, message: str) -> Refusal:
    """A wish that this gateway does not grant; `message` says why."""
    return Refusal(422, "unsupported_parameter", f"'{param}' is not supported. {message}", param=param)


def endpoint_not_supported(endpoints: Iterable[str]) -> Refusal:
    """The model's provider does not have the endpoint; `endpoints` are those it has."""
    there = ", ".join(f"/v1/{name}" for name in endpoints)
    return Refusal(404, "endpoint_not_supported", f"This model is reached at {there} only.", param="model")


def out_of_credit() -> Refusal:
    """The account's credit does not reach for what this request may cost."""
    return Refusal(402, "out_of_credit", "The account's credit does not reach for what this request may cost.")


def rate_limited(retry_after_seconds: int) -> Refusal:
    """The key asks too often."""
    message = "This API key makes too many requests a minute."
    return Refusal(429, "rate_limit_exceeded", message, retry_after_seconds=retry_after_seconds)


def too_many_at_once() -> Refusal:
    """The account has as many requests under way as one may."""
    message = "This account has too many requests under way at once."
    return Refusal(429, "too_many_at_once", message, retry_after_seconds=1)


def conflicting_keys() -> Refusal:
    """Two different keys in one request: nobody can say whose it is."""
    return Refusal(401, "conflicting_api_keys", "'Authorization' and 'X-API-KEY' hold two different keys. Send one.")


def body_too_slow() -> Refusal:
    """The body did not arrive in time."""
    return Refusal(408, "request_timeout", "The request body did not arrive in time.")


def model_not_found() -> Refusal:
    """No such model. The name is not repeated: it came from outside."""
    message = "There is no such model here. GET /v1/models lists those there are."
    return Refusal(404, "model_not_found", message, param="model")


def request_not_found() -> Refusal:
    """No such request, or not one of this key's account and app."""
    return Refusal(404, "request_not_found", "There is no such request among those of this key's app.")


def model_not_allowed() -> Refusal:
    """A test key asked for a provider's model."""
    return Refusal(403, "model_not_allowed", "Test keys reach the built-in model anuma/echo only.", param="model")


def requirement_not_known(known: Sequence[str]) -> Refusal:
    """A requirement that nobody here can check: to let it pass would be to promise it."""
    return Refusal(422, "unsupported_parameter", f"X-Anuma-Require takes {' and '.join(known)}, nothing else.")


def requirement_not_met(required: str, terms: str) -> Refusal:
    """The data policy that the request brought leaves it no route; nothing was sent."""
    message = f"The request requires {required}, and the terms of this model's provider are “{terms}”. It was not sent."
    return Refusal(403, "data_policy", message)


def provider_failed() -> Refusal:
    """The provider refused, broke off, or answered garbage."""
    return Refusal(502, "provider_failed", "The model's provider failed to answer this request.")


def provider_refused(status: int) -> Refusal:
    """The provider would not take this body."""
    message = f"The model's provider refused this request as invalid (its status was {status})."
    return Refusal(422, "provider_refused_request", message)


def provider_limited(retry_after_seconds: int) -> Refusal:
    """The provider's own rate limit."""
    return Refusal(
        429,
        "provider_rate_limited",
        "The model's provider is limiting requests at the moment.",
        retry_after_seconds=retry_after_seconds,
    )


def provider_timed_out() -> Refusal:
    """The provider kept silent for too long."""
    return Refusal(504, "provider_timed_out", "The model's provider did not answer in time.")


def unavailable() -> Refusal:
    """The gateway's own database does not answer."""
    return Refusal(503, "gateway_unavailable", "The gateway cannot reach its database.", retry_after_seconds=5)


def overloaded() -> Refusal:
    """More requests at once than the gateway can serve; nothing was sent to a provider."""
    message = "The gateway has too much to do right now. Nothing was sent to a provider."
    return Refusal(503, "overloaded", message, retry_after_seconds=1)


def internal_error() -> Refusal:
    """A defect of the gateway."""
    return Refusal(500, "internal_error", "The gateway failed. The request id finds the cause in its log.")
