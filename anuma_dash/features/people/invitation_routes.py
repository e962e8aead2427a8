"""Invitations: sent, renewed, revoked by the account; seen and accepted by the person who is invited."""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.invitations import find_by_token, usability
from anuma_dash.errors import Conflict, Invalid, NotFound
from anuma_dash.features.people import blueprint, invitations, permission_table, service
from anuma_dash.features.people.forms import InvitationForm
from anuma_dash.identity import Account, Permission, Role, membership_of
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, now, services, signed_in, viewer


@blueprint.get("/people/invitations/new")
@access(Permission.MANAGE_PEOPLE, reauth=True)
def new() -> ResponseReturnValue:
    """The form of an invitation."""
    return _form_page(InvitationForm(draft_fields()))


def _form_page(form: InvitationForm, status: int = 200, problem: str = "") -> Response:
    roles = service.offered_roles(actor())
    form.offer(roles)
    return page(
        "people/new.html",
        fragment="form",
        status=status,
        form=form,
        problem=problem,
        roles=[(role.value, role.value.capitalize(), permission_table.summary(role)) for role in roles],
        breadcrumbs=_crumbs("Invite somebody"),
    )


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("People", url_for("people.index")), (label, None)]


@blueprint.post("/people/invitations")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("30 per minute")
def create() -> ResponseReturnValue:
    """Invite somebody."""
    form = InvitationForm(request.form)
    form.offer(service.offered_roles(actor()))
    if not form.validate():
        return _form_page(form, 422)
    try:
        row = invitations.invite(
            services().context, actor(), account().id, email=form.email.data or "", role=Role(form.role.data)
        )
    except Invalid as error:
        form.email.errors = [str(error)]
        return _form_page(form, 422)
    except Conflict as error:
        return _form_page(form, 409, str(error))
    flash("ok", f"{row.email} is invited as {row.role}. The list says when the message was sent.")
    return leave_for(url_for("people.index"))


@blueprint.get("/people/invitations/<uuid:invitation_id>")
@access(Permission.MANAGE_PEOPLE, reauth=True)
def show_invitation(invitation_id: UUID) -> ResponseReturnValue:
    """One invitation: a new link, or none any more."""
    return _invitation_page(invitation_id)


def _invitation_page(invitation_id: UUID, status: int = 200, problem: str = "") -> Response:
    with services().db.reading() as tx:
        row = invitations.show_invitation(tx, account(), invitation_id, now())
    return page(
        "people/invitation.html",
        status=status,
        row=row,
        problem=problem,
        may_rule=service.may_rule(actor(), Role(row.invitation.role)),
        breadcrumbs=_crumbs("Invitation"),
    )


@blueprint.post("/people/invitations/<uuid:invitation_id>/renewal")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("30 per minute")
def create_renewal(invitation_id: UUID) -> ResponseReturnValue:
    """Send a new link."""
    try:
        row = invitations.renew_invitation(services().context, actor(), account().id, invitation_id)
    except Invalid as error:
        return _invitation_page(invitation_id, 422, str(error))
    flash("ok", f"A new link goes to {row.email}. The old one does not work any more.")
    return redirect(url_for("people.index"), 303)


@blueprint.post("/people/invitations/<uuid:invitation_id>/revocation")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("60 per minute")
def create_invitation_revocation(invitation_id: UUID) -> ResponseReturnValue:
    """Make the link useless."""
    row = invitations.revoke_invitation(services().context, actor(), account().id, invitation_id)
    flash("ok", f"The invitation of {row.email} is revoked. Its link does not work any more.")
    return redirect(url_for("people.index"), 303)


@blueprint.get("/invitations/<token>")
@access(anonymous=True)
def invitation(token: str) -> ResponseReturnValue:
    """What somebody with the link sees: who they must be, and to that person what they are invited to."""
    found = viewer()
    with services().db.reading() as tx:
        row = find_by_token(tx, token)
        if row is None:
            raise NotFound("This link does not work. It may have been replaced by a newer one: look for that message.")
        standing = usability(tx, row, now())
        target = tx.get_one(Account, row.account_id)
        already = membership_of(tx, target.id, found.user.id) if found else None
    mine = found is not None and invitations.is_for(row, found.user)
    if mine and row.state == "accepted" and already is not None:
        return redirect("/", 303)
    return page(
        "people/landing.html",
        invitation=row,
        masked=invitations.masked(row.email),
        mine=mine,
        signed_in_as=found.user if found else None,
        target=target,
        usable=standing.usable,
        reason=standing.reason,
        already=already.role if already else "",
        role_list=permission_table.role_list(target, Role(row.role)),
        token=token,
        providers=services().settings.sign_in_providers,
        next_path=url_for("people.invitation", token=token),
    )


@blueprint.post("/invitations/<token>/acceptance")
@access()
@limiter.limit("30 per minute")
def create_acceptance(token: str) -> ResponseReturnValue:
    """Join the account."""
    joined = invitations.accept_invitation(services().context, actor(), signed_in().session.id, token)
    flash("ok", f"You belong to {joined.name} now, and look at it.")
    return redirect("/", 303)
