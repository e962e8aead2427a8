"""The pages of support access: how it stands, granting it, what staff did, and ending it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import support
from anuma_dash.errors import Conflict
from anuma_dash.features.support_access import answering, blueprint, service, stopping
from anuma_dash.features.support_access.forms import GrantForm
from anuma_dash.identity import Permission
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.formats import plural
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, listing, number_cursor, uuid_argument
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.state import account, actor, now, services

MANAGE = Permission.MANAGE_SUPPORT_ACCESS
ACTS_A_MINUTE = limiter.limit("60 per minute")
PARTS = (answering, stopping)
"""The other views of the feature, which register themselves."""


@blueprint.get("/support-access")
@access(MANAGE)
def index() -> ResponseReturnValue:
    """Who is inside, who asks, what is granted, and what was lately."""
    return _draw("standing")


def _draw(*fragment: str) -> Response:
    standing = service.read_standing(services().context, actor(), account().id)
    return page(
        "support_access/index.html",
        fragment=list(fragment),
        standing=standing,
        closed=service.why_closed(services().context, account().id),
        emergency_hours=support.EMERGENCY_HOURS,
        now=now(),
    )


def _changed() -> ResponseReturnValue:
    if not wants_fragment():
        return redirect(url_for("support_access.index"), 303)
    return _draw("flash", "standing")


@blueprint.get("/support-access/new")
@access(MANAGE, reauth=True)
def new() -> ResponseReturnValue:
    """The form that lets support in."""
    return _form(GrantForm(draft_fields()))


def _form(form: GrantForm, *, status: int = 200, problem: str = "") -> Response:
    return page(
        "support_access/new.html",
        fragment="form",
        status=status,
        form=form,
        problem=problem,
        closed=service.why_closed(services().context, account().id),
        breadcrumbs=crumbs("Let support in"),
    )


def crumbs(label: str, *between: tuple[str, str]) -> list[tuple[str, str | None]]:
    """The way to a page below this feature's first one."""
    return [("Support access", url_for("support_access.index")), *between, (label, None)]


@blueprint.post("/support-access")
@access(MANAGE, reauth=True)
@ACTS_A_MINUTE
def create() -> ResponseReturnValue:
    """Let support in."""
    form = GrantForm(request.form)
    if not form.validate():
        return _form(form, status=422)
    try:
        grant = support.grant_access(
            services().context,
            actor(),
            account().id,
            scopes=form.scopes.data or [],
            hours=form.chosen_hours,
            ticket=form.ticket.data or "",
        )
    except Conflict as error:
        return _form(form, status=409, problem=str(error))
    flash("ok", f"Support may look into this account for {plural(grant.hours, 'hour')}. Revoke it here at any time.")
    return leave_for(url_for("support_access.index"))


@blueprint.post("/support-access/grants/<uuid:grant_id>/revocation")
@access(MANAGE)
@ACTS_A_MINUTE
def create_revocation(grant_id: UUID) -> ResponseReturnValue:
    """Take support access back, from the next click on."""
    ended = support.revoke_grant(services().context, actor(), account().id, grant_id)
    inside = f"It ended {plural(ended, 'support session')}." if ended else "Nobody was inside under it."
    flash("ok", f"Revoked. {inside}")
    return _changed()


@blueprint.post("/support-access/sessions/<uuid:session_id>/end")
@access(MANAGE)
@ACTS_A_MINUTE
def create_end(session_id: UUID) -> ResponseReturnValue:
    """Put a staff member out, from the next click on."""
    session = support.end_support_session(services().context, actor(), account().id, session_id)
    words = support.WHY[session.ended_why or "customer"]
    flash("ok", f"The support session is over: {words}. The support access itself stays until you revoke it.")
    return _changed()


@blueprint.get("/support-access/sessions")
@access(MANAGE)
def index_sessions() -> ResponseReturnValue:
    """Every support session of the account, newest first."""
    after = uuid_argument("after")
    rows, following = service.list_sessions(services().context, actor(), account().id, after, PAGE_ROWS)
    return page(
        "support_access/sessions.html",
        fragment="session_rows",
        sessions=listing(rows, following, {}),
        breadcrumbs=crumbs("Support sessions"),
    )


@blueprint.get("/support-access/sessions/<uuid:session_id>")
@access(MANAGE)
def show_session(session_id: UUID) -> ResponseReturnValue:
    """One support session, and each page that was opened in it."""
    found = service.read_session(services().context, actor(), account().id, session_id, number_cursor(), PAGE_ROWS)
    line, pages, following = found
    context: dict[str, Any] = {"line": line, "pages": listing(pages, following, {})}
    way = ("Support sessions", url_for("support_access.index_sessions"))
    return page("support_access/session.html", fragment="page_rows", breadcrumbs=crumbs(line.staff, way), **context)
