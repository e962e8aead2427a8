"""What stands at the top of every page until somebody acts: features bring it by a module `banners`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from flask import current_app
from sqlalchemy.orm import Session

from anuma_dash.identity import Account, Actor
from anuma_dash.web.state import actor, services, viewer


@dataclass(frozen=True)
class Banner:
    """A title, a sentence, the time that it is about, a link, and a form that is only a button.

    `link` and `act` are label and address.
    """

    tone: Literal["info", "wait", "stop"]
    title: str
    text: str
    at: datetime | None = None
    link: tuple[str, str] | None = None
    act: tuple[str, str] | None = None


Hook = Callable[[Session, Actor, Account], list[Banner]]
"""Called on each whole page of a member, with their current account."""


def standing() -> list[Banner]:
    """The banners of this page. Staff who look at an account do not get those of its members."""
    found = viewer()
    if found is None or found.account is None or actor().kind != "user":
        return []
    hooks = cast("list[Hook]", current_app.extensions["anuma_banners"])
    with services().db.reading() as tx:
        return [banner for hook in hooks for banner in hook(tx, actor(), found.account)]
