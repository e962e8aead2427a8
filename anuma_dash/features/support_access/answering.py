"""Answering staff who ask to be let in: the page that the mail leads to, yes and no."""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import support
from anuma_dash.errors import Conflict, NotFound
from anuma_dash.features.support_access import blueprint, service
from anuma_dash.features.support_access.forms import AccessForm, approval_form
from anuma_dash.features.support_access.service import GrantLine
from anuma_dash.identity import Permission
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.formats import plural
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, now, services

MANAGE = Permission.MANAGE_SUPPORT_ACCESS


@blueprint.get("/support-access/requests/<uuid:grant_id>")
@access(MANAGE)
def show_request(grant_id: UUID) -> ResponseReturnValue:
    """What a staff member asks for. Opening it decides nothing."""
    line = _line(grant_id)
    return page(
        "support_access/request.html",
        line=line,
        status_word=line.grant.status(now()),
        closed=service.why_closed(services().context, account().id),
        breadcrumbs=_crumbs("Request"),
    )


def _line(grant_id: UUID) -> GrantLine:
    return service.find_request(services().context, actor(), account().id, grant_id)


def _crumbs(label: str, *between: tuple[str, str]) -> list[tuple[str, str | None]]:
    return [("Support access", url_for("support_access.index")), *between, (label, None)]


@blueprint.get("/support-access/requests/<uuid:grant_id>/approval")
@access(MANAGE, reauth=True)
def new_approval(grant_id: UUID) -> ResponseReturnValue:
    """The form that lets them in, for what they asked or for less."""
    line = _line(grant_id)
    if not line.grant.waiting(now()):
        raise NotFound("This request waits for no answer any more.")
    if closed := service.why_closed(services().context, account().id):
        raise Conflict(closed)
    return _form(line, approval_form(draft_fields(), line.grant.scopes, line.grant.hours))


def _form(line: GrantLine, form: AccessForm, *, status: int = 200) -> Response:
    way = ("Request", url_for("support_access.show_request", grant_id=line.grant.id))
    return page(
        "support_access/approval.html",
        fragment="form",
        status=status,
        line=line,
        form=form,
        breadcrumbs=_crumbs("Let them in", way),
    )


@blueprint.post("/support-access/requests/<uuid:grant_id>/approval")
@access(MANAGE, reauth=True)
@limiter.limit("60 per minute")
def create_approval(grant_id: UUID) -> ResponseReturnValue:
    """Let them in."""
    line = _line(grant_id)
    form = approval_form(request.form, line.grant.scopes, line.grant.hours)
    if not form.validate():
        return _form(line, form, status=422)
    context, chosen = services().context, form.scopes.data or []
    grant = support.approve_request(context, actor(), account().id, grant_id, scopes=chosen, hours=form.chosen_hours)
    flash("ok", f"{line.staff} may look into this account for {plural(grant.hours, 'hour')}. Revoke it here any time.")
    return leave_for(url_for("support_access.index"))


@blueprint.post("/support-access/requests/<uuid:grant_id>/refusal")
@access(MANAGE)
@limiter.limit("60 per minute")
def create_refusal(grant_id: UUID) -> ResponseReturnValue:
    """Say no. Saying it twice is saying it once."""
    line = _line(grant_id)
    try:
        support.decline_request(services().context, actor(), account().id, grant_id)
    except Conflict:
        if _line(grant_id).grant.state != "declined":
            raise
    flash("ok", f"You declined. By this request {line.staff} sees nothing of this account.")
    return redirect(url_for("support_access.index"), 303)
