"""The activity of the service: what belongs to no account."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from anuma_dash.features.staff import blueprint, system_activity
from anuma_dash.features.staff.people import ADMINISTRATORS
from anuma_dash.web.access import access
from anuma_dash.web.listing import PAGE_ROWS, listing, number_cursor
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, services


@blueprint.get("/staff/activity")
@access(staff=ADMINISTRATORS)
def activity() -> ResponseReturnValue:
    """The chain of the service, newest first."""
    lines, following = system_activity.read_system_activity(services().context, actor(), number_cursor(), PAGE_ROWS)
    return page("staff/activity.html", fragment="list", activity=listing(lines, following, {}))
