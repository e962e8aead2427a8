"""The pages of the account's activity, and of the state of its chain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import groupby
from uuid import UUID

from flask import Response, current_app, redirect, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import activity_words as words
from anuma_dash.errors import NotFound
from anuma_dash.features.activity import blueprint, export_routes, service
from anuma_dash.features.activity import verification as chain
from anuma_dash.features.activity.filters import NAMES, Filters, Position, parse_filters
from anuma_dash.features.activity.service import KINDS, Line
from anuma_dash.identity import Permission
from anuma_dash.web.access import access
from anuma_dash.web.formats import local_date, time_zone
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, cursor, filters, listing
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.state import account, actor, now, services

TARGETS = {
    "deletion": ("deletions.show", "deletion_id", (Permission.DELETE_CONTENT, Permission.DELETE_OWN_CONTENT)),
    "key": ("keys.show", "key_id", (Permission.READ_KEYS,)),
    "request": ("requests.show", "request_id", (Permission.READ_REQUESTS,)),
    "controls": ("data_controls.index", "", (Permission.READ_CONTROLS,)),
}
export_routes.install(blueprint)


@blueprint.get("/activity")
@access(Permission.READ_ACTIVITY, Permission.READ_OWN_ACTIVITY, support="read")
def index() -> ResponseReturnValue:
    """What was done, newest first, with filters in the URL."""
    context, own_only = services().context, not actor().may(Permission.READ_ACTIVITY)
    active = filters(*(name for name in NAMES if name != "who" or not own_only))
    chosen = parse_filters(active, time_zone())
    lines, following = service.read_activity(context, actor(), account().id, chosen, _behind(), PAGE_ROWS)
    people = service.people(context, actor(), account().id, chosen.who)
    return page(
        "activity/index.html",
        fragment="list",
        status=422 if chosen.problems else 200,
        activity=listing(lines, following, active),
        days=_days(lines),
        active=active,
        problems=chosen.problems,
        chips=_chips(active, chosen, people),
        kinds=[("", "Everything"), *((kind, label) for kind, (label, _) in KINDS.items())],
        people=people,
        own_only=own_only,
        check=None if own_only else chain.find_check(context, actor(), account().id),
        entries=service.entry_count(context, account().id),
        export_url=None if actor().support_session_id else url_for("activity.new_export", **active),  # type: ignore[arg-type]
        link_of=_link,
        narrower=_narrower(active, chosen, own_only),
        actor_words=words.ACTOR_KINDS,
    )


def _days(lines: list[Line]) -> list[tuple[str, list[Line]]]:
    today, yesterday = local_date(now()), local_date(now() - timedelta(days=1))
    names = {today: "Today", yesterday: "Yesterday"}
    days = groupby(lines, key=lambda line: local_date(line.at))
    return [(names.get(day, day), list(rows)) for day, rows in days]


def _behind() -> Position | None:
    text = cursor()
    try:
        return Position.parse(text) if text is not None else None
    except ValueError:
        raise NotFound("The address of this page has an after that cannot be read.") from None


def _chips(active: dict[str, str], chosen: Filters, people: list[tuple[str, str]]) -> list[tuple[str, str]]:
    kinds = {kind: label for kind, (label, _) in KINDS.items()}
    labels = {
        "what": kinds.get(chosen.what, "A kind that does not exist") if chosen.what else "",
        "who": dict(people).get(chosen.who, "") if chosen.who else "",
        "object": service.object_label(services().context, account().id, chosen.object) if chosen.object else "",
        "from": f"From {chosen.first_day}" if chosen.first_day else "",
        "to": f"To {chosen.last_day}" if chosen.last_day else "",
    }
    return [(text, _with(active, **{name: ""})) for name, text in labels.items() if text]


def _with(active: dict[str, str], **changes: str) -> str:
    kept = {name: value for name, value in {**active, **changes}.items() if value}
    return url_for("activity.index", **kept)  # type: ignore[arg-type]


def _narrower(active: dict[str, str], chosen: Filters, own_only: bool) -> Callable[[Line], list[tuple[str, str]]]:
    def links(line: Line) -> list[tuple[str, str]]:
        """Where the same list stands with only this thing, or only this person, in it."""
        found = [
            (words.narrower(kind), _with(active, object=f"{kind}:{object_id}"))
            for kind, object_id in [one for one in line.objects if one[0] not in words.NOT_FOLLOWED][:2]
            if (kind, object_id) != chosen.object
        ]
        if not own_only and line.actor_id and str(line.actor_id) != chosen.who:
            whose = "this person" if line.erased else line.actor_name
            found.append((f"only {whose}", _with(active, who=str(line.actor_id))))
        return found

    return links


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
@access(Permission.READ_ACTIVITY, support="read")
def verification() -> ResponseReturnValue:
    """How far the chain was checked, and what was found."""
    return _draw_verification()


@blueprint.post("/activity/verification")
@access(Permission.READ_ACTIVITY)
@limiter.limit("10 per minute")
def create_verification() -> ResponseReturnValue:
    """Check the chain from its first entry."""
    chain.request_check(services().context, actor(), account().id)
    if not wants_fragment():
        return redirect(url_for("activity.verification"), 303)
    return _draw_verification()


def _draw_verification() -> Response:
    context = services().context
    return page(
        "activity/verification.html",
        fragment="result",
        breadcrumbs=[("Activity", url_for("activity.index")), ("Verification", None)],
        check=chain.find_check(context, actor(), account().id),
        entries=service.entry_count(context, account().id),
        may_ask=not actor().support_session_id,
        support_email=services().settings.support_email,
    )
