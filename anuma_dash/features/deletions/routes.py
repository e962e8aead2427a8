"""The pages of deletions."""

from __future__ import annotations

from uuid import UUID

from flask import request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.deletions import new_token, request_deletion, undo_deletion
from anuma_dash.errors import Invalid
from anuma_dash.features.deletions import blueprint, service
from anuma_dash.features.deletions.forms import DeletionForm
from anuma_dash.identity import Permission
from anuma_dash.web import sessions
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, listing, uuid_argument
from anuma_dash.web.menu import may_open
from anuma_dash.web.render import page
from anuma_dash.web.shown import shown_count, signed_count
from anuma_dash.web.state import account, actor, now, services, signed_in

DELETERS = (Permission.DELETE_CONTENT, Permission.DELETE_OWN_CONTENT)
WATCHERS = (*DELETERS, Permission.OWN_HISTORY)
"""Whoever may delete anything may look at their own deletions: what is everybody's own, too."""


@blueprint.get("/deletions")
@access(*DELETERS)
def index() -> ResponseReturnValue:
    """Every deletion, newest first."""
    after = uuid_argument("after")
    rows, following = service.read_deletions(services().context, actor(), account().id, after, PAGE_ROWS)
    return page(
        "deletions/index.html",
        fragment="rows",
        deletions=listing(rows, following, {}),
        own_only=not actor().may(Permission.DELETE_CONTENT),
        controls_url=url_for("data_controls.index"),
    )


@blueprint.get("/deletions/new")
@access(*DELETERS, reauth=True)
def new() -> ResponseReturnValue:
    """What a deletion would do, in numbers, before it is asked for."""
    draft = _draft()
    category = request.args.get("category") or draft.category or service.CATEGORIES[0]
    preview = service.preview_deletion(services().context, actor(), account().id, category)
    return page(
        "deletions/new.html",
        breadcrumbs=[("Deletions", url_for("deletions.index")), ("New deletion", None)],
        preview=preview,
        shown=signed_count(category, preview.row.count if preview.row else None),
        token=str(draft.token or new_token()),
        controls_url=url_for("data_controls.index"),
    )


def _draft() -> DeletionForm:
    draft_id = uuid_argument("draft")
    if draft_id is None:
        return DeletionForm({})
    with services().db.reading() as tx:
        kept = sessions.find_draft(tx, signed_in().session.id, draft_id, request.path, now())
    return DeletionForm({name: str(values[0]) for name, values in (kept or {}).items() if values})


@blueprint.post("/deletions")
@access(*DELETERS, reauth=True)
@limiter.limit("30 per minute")
def create() -> ResponseReturnValue:
    """Ask for a deletion."""
    form = DeletionForm(request.form)
    if form.token is None or form.category not in service.CATEGORIES:
        raise Invalid("The form did not say what to delete.")
    count = shown_count(form.category, form.shown)
    scope = service.scope_of(actor(), form.category)
    deletion = request_deletion(services().context, actor(), account().id, scope, count=count, token=form.token)
    return leave_for(url_for("deletions.show", deletion_id=deletion.id))


@blueprint.get("/deletions/<uuid:deletion_id>")
@access(*WATCHERS)
def show(deletion_id: UUID) -> ResponseReturnValue:
    """One deletion: how far it is, what was done where, and how that was checked."""
    return page(
        "deletions/show.html",
        fragment="progress",
        breadcrumbs=[("Deletions", _list_url()), ("Deletion", None)],
        standing=service.read_deletion(services().context, actor(), account().id, deletion_id),
        now=now(),
        new_url=url_for("deletions.new", category="request_content"),
    )


@blueprint.post("/deletions/<uuid:deletion_id>/undoing")
@access(*WATCHERS)
def create_undoing(deletion_id: UUID) -> ResponseReturnValue:
    """Take back a deletion that has not begun."""
    undo_deletion(services().context, actor(), account().id, deletion_id)
    return leave_for(url_for("deletions.show", deletion_id=deletion_id))


def _list_url() -> str | None:
    return url_for("deletions.index") if may_open("deletions.index") else None
