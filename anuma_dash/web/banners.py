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
class Link:
    """A label, and the address that it leads to."""

    label: str
    url: str


Paragraph = tuple[str | datetime | Link, ...]
"""Words, with times and links among them."""


@dataclass(frozen=True)
class Banner:
    """A title, paragraphs, a link that looks like a button, and a form that is only a button."""

    tone: Literal["info", "wait", "stop"]
    title: str
    text: tuple[Paragraph, ...]
    link: Link | None = None
    act: Link | None = None


Hook = Callable[[Session, Actor, Account], list[Banner]]
"""Called on each whole page with the current account of a member, or with the one that staff look into."""


def standing() -> list[Banner]:
    """The banners of this page, in the order of the features."""
    found = viewer()
    if found is None or found.account is None:
        return []
    hooks = cast("list[Hook]", current_app.extensions["anuma_banners"])
    with services().db.reading() as tx:
        return [banner for hook in hooks for banner in hook(tx, actor(), found.account)]
