"""Cookies, all of one kind: HttpOnly, SameSite=Lax, whole site; on https also Secure and bound to this very host.

`__Host-` (RFC 6265bis) keeps other hosts of the domain from planting one; plain http on localhost cannot have it.
"""

from __future__ import annotations

from flask import Response, request

from anuma_dash.web.state import services

SESSION = "anuma_session"


def full_name(name: str) -> str:
    """The cookie's name as the browser knows it."""
    return f"__Host-{name}" if services().settings.secure_cookies else name


def read(name: str) -> str:
    """What the browser sent under this name; empty if nothing."""
    return request.cookies.get(full_name(name), "")


def put(response: Response, name: str, value: str, *, max_age_seconds: int | None = None) -> None:
    """Give the browser a cookie; without an age it ends with the browser."""
    response.set_cookie(
        full_name(name),
        value,
        max_age=max_age_seconds,
        httponly=True,
        samesite="Lax",
        secure=services().settings.secure_cookies,
        path="/",
    )


def forget(response: Response, name: str) -> None:
    """Make the browser forget a cookie."""
    response.delete_cookie(
        full_name(name), httponly=True, samesite="Lax", secure=services().settings.secure_cookies, path="/"
    )
