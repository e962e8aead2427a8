"""The pages of a person's own chat history."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from anuma_dash.db import id_of, new_id
from anuma_dash.errors import GatewayError, Invalid
from anuma_dash.features.history import blueprint, service
from anuma_dash.features.history.filters import NAMES, PINNED, Filters, parse_filters
from anuma_dash.features.history.messages import show_messages
from anuma_dash.gateway.schemas import ConversationChange, DeletionScope
from anuma_dash.identity import Permission
from anuma_dash.names import one_line
from anuma_dash.web import formats, listing
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page
from anuma_dash.web.shown import shown_count, signed_count
from anuma_dash.web.snippets import conversation_snippets
from anuma_dash.web.state import account, actor, now, services

OWN = Permission.OWN_HISTORY
ANY_MINUTE = "60 per minute"
OUT_OF_DATE = "This form is out of date. Reload its page."
LONGEST_TITLE = 200


@blueprint.get("/history")
@access(OWN)
def index() -> ResponseReturnValue:
    """The person's conversations, or those in which words are found."""
    filters = parse_filters(listing.filters(*NAMES), formats.time_zone())
    own = (services().context, actor(), account().id)
    context: dict[str, Any] = {
        "filters": filters,
        "pinned_choices": PINNED,
        "clear_url": url_for("history.index"),
        "under_way": service.deletions_under_way(*own),
        "now": now(),
        "days_left": days_left,
        "all_url": _all_url(filters),
        "snippets": conversation_snippets(services().settings.gateway_public_url),
    }
    try:
        rows, following, around = service.list_conversations(
            *own, filters, after=listing.cursor(), limit=listing.PAGE_ROWS
        )
    except GatewayError as error:
        failed = {"conversations": None, "around": service.Around("unknown"), "problem": gateway_problem(error)}
        return page("history/index.html", fragment="conversation_list", status=503, **context, **failed)
    context |= {"conversations": listing.listing(rows, following, filters.active), "around": around, "problem": ""}
    response = page("history/index.html", fragment="conversation_list", **context)
    if listing.cursor() is None:
        active: dict[str, Any] = dict(filters.active)
        response.headers["HX-Push-Url"] = url_for("history.index", **active)
    return response


def days_left(expires_at: datetime | None) -> int | None:
    """Whole days until a conversation ends; None if it has no end."""
    return None if expires_at is None else max(0, (expires_at - now()).days)


def _all_url(filters: Filters) -> str:
    active: dict[str, Any] = dict(filters.active)
    return url_for("history.new_deletion", all="yes", **active)


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("History", url_for("history.index")), (label, None)]


@blueprint.get("/history/<uuid:conversation_id>")
@access(OWN)
def show(conversation_id: UUID) -> ResponseReturnValue:
    """One conversation: its messages on one branch, from the beginning."""
    leaf, after, whole = (listing.uuid_argument(name) for name in ("leaf", "after", "whole"))
    own = (services().context, actor(), account().id)
    found, messages = service.read_conversation(*own, conversation_id, leaf=leaf, after=after)
    here: dict[str, Any] = {"conversation_id": conversation_id, "leaf": leaf}
    mine = [one for one in service.deletions_under_way(*own) if _may_reach(one.scope, conversation_id)]
    return page(
        "history/show.html",
        conversation=found,
        messages=show_messages(messages.data, {**here, "after": after}, whole),
        next_url=url_for("history.show", **here, after=messages.next) if messages.next else None,
        first_url=url_for("history.show", **here) if after else None,
        under_way=mine,
        now=now(),
        days_left=days_left,
        longest_title=LONGEST_TITLE,
        breadcrumbs=_crumbs(found.title[:60]),
    )


def _may_reach(scope: dict[str, Any], conversation_id: UUID) -> bool:
    ids = scope.get("conversation_ids")
    return ids is None or str(conversation_id) in ids


def _find(conversation_id: UUID) -> None:
    """What is somebody else's is missing, whatever the form says."""
    service.find_conversation(services().context, actor(), account().id, conversation_id)


@blueprint.post("/history/<uuid:conversation_id>")
@access(OWN)
@limiter.limit(ANY_MINUTE)
def update(conversation_id: UUID) -> ResponseReturnValue:
    """Give a conversation another title."""
    _find(conversation_id)
    title = one_line(request.form.get("title", ""))
    if not 0 < len(title) <= LONGEST_TITLE:
        raise Invalid(f"A title has 1 to {LONGEST_TITLE} characters. Nothing was changed.", field="title")
    service.change_conversation(
        services().context, actor(), account().id, conversation_id, ConversationChange(title=title)
    )
    flash("ok", "The conversation is renamed.")
    return leave_for(url_for("history.show", conversation_id=conversation_id))


@blueprint.post("/history/<uuid:conversation_id>/pinning")
@access(OWN)
@limiter.limit(ANY_MINUTE)
def create_pinning(conversation_id: UUID) -> ResponseReturnValue:
    """Pin a conversation, or let it go."""
    _find(conversation_id)
    wanted = request.form.get("pinned")
    if wanted not in ("yes", "no"):
        raise Invalid(OUT_OF_DATE)
    change = ConversationChange(pinned=wanted == "yes")
    service.change_conversation(services().context, actor(), account().id, conversation_id, change)
    flash("ok", "The conversation is pinned." if change.pinned else "The conversation is not pinned any more.")
    return leave_for(url_for("history.show", conversation_id=conversation_id))


@blueprint.get("/history/deletion")
@access(OWN, reauth=True)
def new_deletion() -> ResponseReturnValue:
    """What deleting the chosen conversations, or all that match, would do, with their number."""
    ids = [one for one in map(id_of, request.args.getlist("id")[: service.MOST_AT_ONCE]) if one is not None]
    every = request.args.get("all") == "yes"
    filters = parse_filters(listing.filters(*NAMES), formats.time_zone()) if every else None
    plan = None
    if ids or (filters is not None and not filters.not_understood):
        plan = service.plan_deletion(services().context, actor(), account().id, ids=ids, filters=filters)
    scope = plan.scope.model_dump_json() if plan else ""
    return page(
        "history/deletion.html",
        plan=plan,
        filtered=bool(filters and filters.active),
        every=every,
        scope=scope,
        shown=signed_count(scope, plan.total if plan else None),
        token=str(new_id()),
        breadcrumbs=_crumbs("Delete"),
    )


@blueprint.post("/history/deletion")
@access(OWN, reauth=True)
@limiter.limit(ANY_MINUTE)
def create_deletion() -> ResponseReturnValue:
    """Ask for the deletion that the page counted; it waits for ten seconds."""
    scope, token = request.form.get("scope", ""), id_of(request.form.get("token"))
    count = shown_count(scope, request.form.get("shown", ""))
    try:
        wanted = DeletionScope.model_validate_json(scope)
    except ValidationError:
        raise Invalid(OUT_OF_DATE) from None
    if token is None or not count or wanted.category != "conversations":
        raise Invalid(OUT_OF_DATE)
    deletion = service.delete_conversations(services().context, actor(), account().id, wanted, count, token)
    return leave_for(url_for("deletions.show", deletion_id=deletion.id))
