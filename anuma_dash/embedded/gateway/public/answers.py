"""Sending whole answers over ASGI."""

from __future__ import annotations

from starlette.types import Send

from .refusals import Headers, Refusal

JSON = (b"content-type", b"application/json")


async def send_all(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """Send a whole answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def send_refusal(send: Send, refusal: Refusal, extra: Headers | None = None) -> None:
    """Send an error object."""
    await send_all(send, refusal.status, [*refusal.headers(), *(extra or [])], refusal.encode())
