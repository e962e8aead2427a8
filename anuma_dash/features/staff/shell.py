"""What every page of the staff section shows: its menu by role, and how long the session lasts."""

from __future__ import annotations

from typing import Any

from flask import current_app, request, url_for

from anuma_dash.features.staff import blueprint
from anuma_dash.identity import StaffRole
from anuma_dash.web.access import rule_of
from anuma_dash.web.sessions import limits_of
from anuma_dash.web.state import actor, services, viewer

MENU = (
    ("Home", "staff.index", "home"),
    ("Accounts", "staff.accounts", "building"),
    ("Approvals", "staff.approvals", "circle-check"),
    ("Suspended people", "staff.suspensions", "lock"),
    ("People of the service", "staff.people", "user-shield"),
    ("Activity of the service", "staff.activity", "history"),
)
"""Label, endpoint and icon. A line is there for those whom the rule of its view lets in."""
ROLE_WORDS = {
    StaffRole.SUPPORT: "Find accounts, ask for access, and look where a customer allows it.",
    StaffRole.PRIVACY: "Privacy requests, holds and policies. They have no pages here yet.",
    StaffRole.FINANCE: "Credits and refunds. They have no pages here yet.",
    StaffRole.ADMINISTRATOR: "Suspend accounts and people, approve what needs two, give and take staff roles.",
}
"""What a staff role is for."""


@blueprint.context_processor
def _shell() -> dict[str, Any]:
    found = viewer()
    if found is None:
        return {}
    settings, own = services().settings, actor().staff_roles
    return {
        "staff": {
            "menu": [
                {"label": label, "url": url_for(endpoint), "icon": icon, "current": _is_current(endpoint)}
                for label, endpoint, icon in MENU
                if (rule := rule_of(current_app, endpoint)) and own.intersection(rule.staff)
            ],
            "roles": [role.value for role in StaffRole if role in own],
            "idle_minutes": settings.staff_idle_minutes,
            "ends_at": limits_of(settings, staff=True).absolute_end(found.session),
        }
    }


def _is_current(endpoint: str) -> bool:
    path = url_for(endpoint)
    return request.path == path or (path != url_for("staff.index") and request.path.startswith(f"{path}/"))
