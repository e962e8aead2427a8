"""What can go wrong, in the words of the domain. Only `web/errors.py` turns these into answers."""

from __future__ import annotations


class DashboardError(Exception):
    """The root of every error that the project raises on purpose; its text may be shown to a person."""


class NotFound(DashboardError):
    """The thing does not exist, or belongs to another account: the two are never told apart."""


class NotAllowed(DashboardError):
    """The actor's role lacks the permission."""


class Halted(NotAllowed):
    """The role has the permission, but the account is suspended or being closed."""


class SupportSessionOver(DashboardError):
    """The support session that the browser brought is over; says why."""


class Forged(DashboardError):
    """The form did not come from a page of ours, or its page is too old."""


class Conflict(DashboardError):
    """Somebody else changed it in the meantime, or it is no longer in a state that allows this."""


class Invalid(DashboardError):
    """The input is wrong. `field` names the form field that it belongs to, if any."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class GatewayError(DashboardError):
    """The gateway did not do what it was asked."""


class GatewayUnavailable(GatewayError):
    """No usable answer arrived: unreachable, too slow, or garbage. Whether it acted is unknown."""


SENT_BEFORE = "idempotency_key_reused"
"""The code of a gateway that got another body under the same idempotency key: a form was changed and sent again."""


class GatewayRefused(GatewayError):
    """The gateway answered no. `code` is the stable code of its problem details (RFC 9457)."""

    def __init__(self, message: str, *, status: int, code: str, problem: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.problem = problem or {}


class SettingsError(DashboardError):
    """The configuration is missing something, weak, or contradicts itself; names each point."""

    def __init__(self, points: list[str]) -> None:
        super().__init__("The dashboard cannot start:\n" + "\n".join(f"- {point}" for point in points))
        self.points = points


class SignInRefused(DashboardError):
    """The identity provider's answer cannot be trusted, or the person may not sign in. Safe to show."""


class PersonSuspended(SignInRefused):
    """The person is who they say, and is suspended: trying again does not help them."""


class PasskeyRefused(DashboardError):
    """The browser's answer to a passkey ceremony cannot be trusted. Safe to show."""
