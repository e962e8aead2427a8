"""Who works for the service: administrators give and take staff roles."""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import staff
from anuma_dash.errors import Invalid, NotFound
from anuma_dash.features.staff import blueprint
from anuma_dash.features.staff.forms import NewRoleForm
from anuma_dash.features.staff.shell import ROLE_WORDS
from anuma_dash.identity import StaffRole
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services

ADMINISTRATORS = (StaffRole.ADMINISTRATOR,)


@blueprint.get("/staff/people")
@access(staff=ADMINISTRATORS)
def people() -> ResponseReturnValue:
    """Everybody with a staff role."""
    with services().db.reading() as tx:
        return page("staff/people.html", people=staff.staff_people(tx))


@blueprint.get("/staff/people/new")
@access(staff=ADMINISTRATORS, reauth=True)
def new_role() -> ResponseReturnValue:
    """The form that gives a role."""
    return _form_page(NewRoleForm(draft_fields()))


def _form_page(form: NewRoleForm, status: int = 200) -> Response:
    return page(
        "staff/new_role.html",
        fragment="form",
        status=status,
        form=form,
        roles=[(role.value, role.value.capitalize(), words) for role, words in ROLE_WORDS.items()],
        breadcrumbs=_crumbs("Give a role"),
    )


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("People of the service", url_for("staff.people")), (label, None)]


@blueprint.post("/staff/people/new")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_role() -> ResponseReturnValue:
    """Give a role."""
    form = NewRoleForm(request.form)
    if not form.validate():
        return _form_page(form, 422)
    role = StaffRole(form.role.data)
    try:
        with services().db.transaction(durable=True) as tx:
            user = staff.find_by_verified_address(tx, form.email.data or "")
            staff.give_staff_role(tx, services().settings, actor(), user, role, now())
    except Invalid as error:
        field = form[error.field or "email"]
        field.errors = [*field.errors, str(error)]
        return _form_page(form, 422)
    flash("ok", f"{user.name} has the role {role.value} from their next click on.")
    return leave_for(url_for("staff.people"))


@blueprint.get("/staff/people/<uuid:user_id>/roles/<role>/removal")
@access(staff=ADMINISTRATORS, reauth=True)
def new_role_removal(user_id: UUID, role: str) -> ResponseReturnValue:
    """What taking this role away does."""
    wanted = _role(role)
    with services().db.reading() as tx:
        person = next(
            (one.user for one in staff.staff_people(tx) if one.user.id == user_id and wanted in dict(one.roles)), None
        )
    if person is None:
        raise NotFound("This person does not have this staff role.")
    return page(
        "staff/role_removal.html",
        person=person,
        role=wanted,
        words=ROLE_WORDS[wanted],
        breadcrumbs=_crumbs("Take a role away"),
    )


def _role(text: str) -> StaffRole:
    try:
        return StaffRole(text)
    except ValueError:
        raise NotFound("There is no such staff role.") from None


@blueprint.post("/staff/people/<uuid:user_id>/roles/<role>/removal")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_role_removal(user_id: UUID, role: str) -> ResponseReturnValue:
    """Take a role away."""
    wanted = _role(role)
    with services().db.transaction(durable=True) as tx:
        user = staff.take_staff_role(tx, actor(), user_id, wanted, now())
    flash("ok", f"{user.name} does not have the role {wanted.value} any more.")
    return redirect(url_for("staff.people"), 303)
