"""Why the gateway's part of a page is missing, in words."""

from __future__ import annotations

from anuma_dash.errors import GatewayError, GatewayRefused


def gateway_problem(error: GatewayError) -> str:
    """A sentence that a page may show in place of what it could not get for an account."""
    if not isinstance(error, GatewayRefused):
        return str(error)
    if error.status == 404:
        return "The gateway does not know this account. The next change you make here tells it."
    return f"The gateway refused: {error}"
