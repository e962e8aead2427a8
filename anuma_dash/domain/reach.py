"""Whom mail can reach, in words for those pages that promise it."""

from __future__ import annotations

from collections.abc import Sequence

from anuma_dash.identity import Role, User
from anuma_dash.mail import reachable


def unreached(addressees: Sequence[tuple[User, Role]]) -> str:
    """Which of those a letter is for it cannot reach, in a sentence without names; empty if it reaches all of them."""
    reached = [role for user, role in addressees if reachable(user)]
    if Role.OWNER not in reached:
        words = "No owner can be written to, because none who can sign in has a verified e-mail address."
        if reached:
            return f"{words} {len(reached)} {'admin' if len(reached) == 1 else 'admins'} can."
        return f"{words} Nor can any admin." if any(role is Role.ADMIN for _, role in addressees) else words
    missing = len(addressees) - len(reached)
    if not missing:
        return ""
    return (
        f"{missing} of these {len(addressees)} people cannot be written to, because their e-mail address is missing or "
        "not verified."
    )
