"""The pages of the account's activity."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from uuid import UUID

from flask import current_app, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.errors import NotFound
from anuma_dash.features.activity import blueprint, service
from anuma_dash.features.activity.service import KINDS, Filters, Line
from anuma_dash.identity import Permission
from anuma_dash.web.access import access
from anuma_dash.web.formats import local_date
from anuma_dash.web.listing import PAGE_ROWS, cursor, filters, listing
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, now, services

TARGETS = {
    "deletion": ("deletions.show", "deletion_id", (Permission.DELETE_CONTENT, Permission.DELETE_OWN_CONTENT)),
    "key": ("keys.show", "key_id", (Permission.READ_KEYS,)),
    "request": ("requests.show", "request_id", (Permission.READ_REQUESTS,)),
    "controls": ("data_controls.index", "", (Permission.READ_CONTROLS,)),
}


@blueprint.get("/activity")
@access(Permission.READ_ACTIVITY, Permission.READ_OWN_ACTIVITY)
def index() -> ResponseReturnValue:
    """What was done, newest first, with filters in the URL."""
    active, context = filters("what", "who"), services().context
    lines, following = service.read_activity(context, actor(), account().id, Filters(**active), _before(), PAGE_ROWS)
    people = service.people(context, actor(), account().id)
    return page(
        "activity/index.html",
        fragment="list",
        activity=listing(lines, following, active),
        days=_days(lines),
        active=active,
        chips=_chips(active, people),
        kinds=[("", "Everything"), *((kind, label) for kind, (label, _) in KINDS.items())],
        people=people,
        own_only=not actor().may(Permission.READ_ACTIVITY),
        entries=service.entry_count(context, account().id),
        link_of=_link,
    )


def _days(lines: list[Line]) -> list[tuple[str, list[Line]]]:
    today, yesterday = local_date(now()), local_date(now() - timedelta(days=1))
    names = {today: "Today", yesterday: "Yesterday"}
    days = groupby(lines, key=lambda line: local_date(line.at))
    return [(names.get(day, day), list(rows)) for day, rows in days]


def _before() -> int | None:
    text = cursor()
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise NotFound("The address of this page has an after that is not a number.")
    return int(text)


def _chips(active: dict[str, str], people: list[tuple[str, str]]) -> list[tuple[str, str]]:
    labels = {
        "what": {kind: label for kind, (label, _) in KINDS.items()}.get(active.get("what", "")),
        "who": dict(people).get(active.get("who", "")),
    }
    return [
        (label, url_for("activity.index", **{key: value for key, value in active.items() if key != name}))  # type: ignore[arg-type]
        for name, label in labels.items()
        if label
    ]


def _link(line: Line) -> str | None:
    if line.target is None:
        return None
    kind, thing = line.target
    endpoint, argument, permissions = TARGETS[kind]
    if endpoint not in current_app.view_functions or not any(actor().may(one) for one in permissions):
        return None
    try:
        return url_for(endpoint, **({argument: UUID(thing)} if argument else {}))  # type: ignore[arg-type]
    except ValueError:
        return None


@blueprint.get("/activity/verification")
@access(Permission.READ_ACTIVITY)
def verification() -> ResponseReturnValue:
    """Walk the chain now, and say what was found."""
    return page(
        "activity/verification.html",
        fragment="result",
        breadcrumbs=[("Activity", url_for("activity.index")), ("Verification", None)],
        check=service.verify_activity(services().context, actor(), account().id),
        longest=service.LONGEST_VERIFIED,
    )
