"""Your data: what is held, category by category, from the register that the code itself uses."""

from __future__ import annotations

from collections.abc import Mapping

from flask import current_app
from flask.typing import ResponseReturnValue

from anuma_dash.domain.data_register import Category
from anuma_dash.errors import GatewayError
from anuma_dash.features.your_data import blueprint, service
from anuma_dash.gateway.schemas import Inventory, InventoryRow
from anuma_dash.identity import Permission
from anuma_dash.web import sessions
from anuma_dash.web.access import access, rule_of
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services, signed_in

HOLDERS = (
    ("dashboard", "Held by this dashboard"),
    ("gateway", "Held by the gateway"),
    ("browser", "Held by your browser"),
)


@blueprint.get("/your-data")
@access()
def index() -> ResponseReturnValue:
    """Everything that is held about the person, and what is known of this session."""
    found, settings = signed_in(), services().settings
    inventory, problem = _inventory()
    with services().db.reading() as tx:
        rows: dict[str, InventoryRow] = {row.category: row for row in inventory.rows} if inventory else {}
        held = service.held_about(tx, settings, found.user, rows)
        limits = sessions.limits_of_person(tx, settings, found.user.id)
    return page(
        "your_data/index.html",
        fragment="gateway",
        groups=[(name, title, [one for one in held if one.category.holder == name]) for name, title in HOLDERS],
        session=found.session,
        session_end=limits.end(found.session),
        works_here=bool(actor().staff_roles),
        provider=settings.provider_label(found.session.provider),
        as_of=now(),
        counted_at=inventory.as_of if inventory else None,
        problem=problem,
        pages=_pages([one.category for one in held]),
    )


def _inventory() -> tuple[Inventory | None, str]:
    found = signed_in().account
    if found is None or not actor().may(Permission.READ_CONTROLS):
        return None, ""
    try:
        return services().gateway.inventory(actor(), found.id), ""
    except GatewayError as error:
        return None, gateway_problem(error)


def _pages(categories: list[Category]) -> Mapping[str, tuple[str, str]]:
    """The pages of the categories that this person may open."""
    found = {}
    for one in categories:
        rule = rule_of(current_app, one.page[1]) if one.page else None
        if one.page and rule and (not rule.permissions or any(actor().may(each) for each in rule.permissions)):
            found[one.name] = one.page
    return found
