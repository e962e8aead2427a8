"""People: the list with the permission table, roles, who reads stored content, and what stands at the top of pages."""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import control_notices, owner_recovery
from anuma_dash.errors import Conflict
from anuma_dash.features.people import (
    blueprint,
    confirmations,
    departure_routes,
    departures,
    invitation_routes,
    invitations,
    permission_table,
    service,
)
from anuma_dash.features.people.forms import CHOOSE_ROLE, RoleForm
from anuma_dash.identity import Permission, Role
from anuma_dash.mail import reachable
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, listing, uuid_argument
from anuma_dash.web.render import page
from anuma_dash.web.site import back
from anuma_dash.web.state import account, actor, now, services

__all__ = ["departure_routes", "invitation_routes"]


@blueprint.get("/people")
@access(Permission.READ_PEOPLE)
def index() -> ResponseReturnValue:
    """Members, invitations, and what each role may do."""
    manages = actor().may(Permission.MANAGE_PEOPLE)
    with services().db.reading() as tx:
        rows, following = service.list_members(tx, actor(), account().id, uuid_argument("after"), PAGE_ROWS)
        invited = invitations.list_invitations(tx, actor(), account(), now()) if manages else []
        unfinished = departures.unfinished_departures(tx, account().id) if manages else []
        waiting, waiting_since = confirmations.members_on_hold(tx, account().id)
    return page(
        "people/index.html",
        fragment="member_list",
        members=listing(rows, following, {}),
        invited=invited,
        unfinished=unfinished,
        waiting=waiting,
        waiting_since=waiting_since,
        manages=manages,
        may_rule=lambda role: service.may_rule(actor(), Role(role)),
        own_id=actor().user_id,
        reading=account().admins_read_content,
        may_decide_reading=actor().may(Permission.DECIDE_READING),
        roles=[role.value.capitalize() for role in Role],
        own_role=actor().role,
        permissions=permission_table.table(account()),
    )


def crumbs(label: str) -> list[tuple[str, str | None]]:
    """The way to a page below this one."""
    return [("People", url_for("people.index")), (label, None)]


@blueprint.get("/people/<uuid:user_id>/edit")
@access(Permission.MANAGE_PEOPLE, reauth=True)
def edit(user_id: UUID) -> ResponseReturnValue:
    """The form of a member's role."""
    return _role_page(user_id, RoleForm(draft_fields()))


def _role_page(user_id: UUID, form: RoleForm, *, status: int = 200, problem: str = "") -> Response:
    with services().db.reading() as tx:
        user, membership = service.find_member(tx, account().id, user_id)
        role = Role(membership.role)
        service.require_rule(actor(), role)
    form.offer(service.offered_roles(actor()))
    if form.role.data is None:
        form.role.data = role.value
    if not form.expected.data or problem:
        form.expected.data = role.value
    roles = [
        (one.value, one.value.capitalize(), permission_table.summary(one)) for one in service.offered_roles(actor())
    ]
    return page(
        "people/edit.html",
        fragment="form",
        status=status,
        form=form,
        user=user,
        role=role.value,
        reached=reachable(user),
        roles=roles,
        problem=problem,
        breadcrumbs=crumbs("Role"),
    )


@blueprint.post("/people/<uuid:user_id>")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("60 per minute")
def update(user_id: UUID) -> ResponseReturnValue:
    """Give a member another role."""
    form = RoleForm(request.form)
    form.offer(service.offered_roles(actor()))
    expected = form.expected_role
    if not form.validate() or expected is None:
        form.role.errors = form.role.errors or [CHOOSE_ROLE]
        return _role_page(user_id, form, status=422)
    chosen = Role(form.role.data)
    try:
        name, old = service.change_role(
            services().context, actor(), account().id, user_id, role=chosen, expected=expected
        )
    except Conflict as error:
        return _role_page(user_id, form, status=409, problem=str(error))
    if chosen is not old:
        flash("ok", f"{name} is now {chosen.value}, and was {old.value}.")
    return leave_for(url_for("people.index"))


@blueprint.post("/people/confirmations")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("60 per minute")
def create_confirmations() -> ResponseReturnValue:
    """Let everybody open the account again whom a restored backup brought back."""
    return _confirmed(confirmations.confirm_members(services().context, actor(), account().id))


@blueprint.post("/people/<uuid:user_id>/confirmation")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("60 per minute")
def create_confirmation(user_id: UUID) -> ResponseReturnValue:
    """Let one member open the account again whom a restored backup brought back."""
    with services().db.reading() as tx:
        service.find_member(tx, account().id, user_id)
    return _confirmed(confirmations.confirm_members(services().context, actor(), account().id, user_id))


def _confirmed(names: list[str]) -> ResponseReturnValue:
    if names:
        flash("ok", f"{', '.join(names)}: confirmed. They can open the account again.")
    return redirect(url_for("people.index"), 303)


@blueprint.post("/people/reading")
@access(Permission.DECIDE_READING, reauth=True)
@limiter.limit("60 per minute")
def update_reading() -> ResponseReturnValue:
    """Decide whether admins read stored content."""
    wanted = {"on": True, "off": False}.get(request.form.get("state", ""))
    if wanted is not None and service.decide_reading(services().context, actor(), account().id, allowed=wanted):
        flash("ok", f"Admins {'can now' if wanted else 'can no longer'} read stored prompts and responses.")
    return redirect(url_for("people.index"), 303)


@blueprint.post("/people/notices/<uuid:notice_id>/dismissal")
@access(Permission.READ_PEOPLE)
def create_dismissal(notice_id: UUID) -> ResponseReturnValue:
    """Take down a banner, for this person alone."""
    with services().db.transaction() as tx:
        control_notices.dismiss_notice(tx, actor(), account().id, notice_id, now())
    return redirect(back(), 303)


@blueprint.post("/people/owner-recoveries/<uuid:recovery_id>/stop")
@access(Permission.STOP_RECOVERY)
@limiter.limit("60 per minute")
def create_recovery_stop(recovery_id: UUID) -> ResponseReturnValue:
    """Stop that an owner is added by staff. It asks for no fresh sign-in: stopping is the safe direction."""
    row = owner_recovery.stop_recovery(services().context, actor(), account().id, recovery_id)
    flash("ok", f"{row.new_owner_email} does not become an owner. Everybody who had been told is told this, too.")
    return redirect(url_for("people.index"), 303)
