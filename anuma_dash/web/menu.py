"""The sidebar: the entries of the features that exist, in their order, for those who may open them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import current_app, request, url_for

from anuma_dash.web.access import rule_of
from anuma_dash.web.state import actor


@dataclass(frozen=True)
class MenuEntry:
    """One line of the sidebar: its group ("" is the first, without a title), label, endpoint and icon."""

    group: str
    label: str
    endpoint: str
    icon: str


def entries() -> list[dict[str, Any]]:
    """The groups of the sidebar with their entries, as the layout draws them."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for entry in current_app.extensions["anuma_menu"]:
        if not may_open(entry.endpoint):
            continue
        groups.setdefault(entry.group, []).append(
            {
                "label": entry.label,
                "url": url_for(entry.endpoint),
                "icon": entry.icon,
                "current": request.blueprint == entry.endpoint.partition(".")[0],
            }
        )
    return [{"title": title, "entries": lines} for title, lines in groups.items()]


def may_open(endpoint: str) -> bool:
    """Whether whoever asks would be let into this page of the account, by its rule."""
    rule = rule_of(current_app, endpoint)
    if rule is None or rule.staff or (rule.support != "read" and actor().support_session_id is not None):
        return False
    return not rule.permissions or any(actor().may(permission) for permission in rule.permissions)
