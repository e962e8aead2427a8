"""Suspending a person, and ending that: for administrators."""

from __future__ import annotations

from uuid import UUID

from flask import url_for
from flask.typing import ResponseReturnValue
from wtforms import Form

from anuma_dash.domain import staff
from anuma_dash.domain.suspensions import suspend_person, unsuspend_person
from anuma_dash.features.staff import blueprint, waiting
from anuma_dash.features.staff.act_forms import ConfirmForm, PersonSuspensionForm
from anuma_dash.features.staff.acts import Act, act_page, send
from anuma_dash.features.staff.people import ADMINISTRATORS
from anuma_dash.identity import User
from anuma_dash.mail import reachable
from anuma_dash.web.access import access
from anuma_dash.web.formats import plural
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, listing, uuid_argument
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, services

NOT_TOLD = "cannot be told by mail, because no verified e-mail address is known"


@blueprint.get("/staff/suspensions")
@access(staff=ADMINISTRATORS)
def suspensions() -> ResponseReturnValue:
    """Everybody who is suspended."""
    found, following = waiting.suspended_people(services().context, actor(), uuid_argument("after"), PAGE_ROWS)
    return page("staff/suspensions.html", fragment="list", suspended=listing(found, following, {}))


def _act(title: str, submit: str, points: list[str], action: str, form: type[Form], *, danger: bool = False) -> Act:
    back = url_for("staff.suspensions")
    crumbs: list[tuple[str, str | None]] = [("Suspended people", back), (submit, None)]
    return Act(title, submit, points, action, back, crumbs, form, danger)


def _told_by_mail(user: User) -> str:
    return "is told by mail" if reachable(user) else NOT_TOLD


def _suspension() -> Act:
    points = [
        "All their sessions end at once, in every account, and they cannot sign in. They are told why by mail, if "
        "their address can be written to.",
        "Their keys belong to the accounts and go on working; owners and admins can revoke them.",
    ]
    action = url_for("staff.create_person_suspension")
    return _act("Suspend a person", "Suspend the person", points, action, PersonSuspensionForm, danger=True)


@blueprint.get("/staff/suspensions/new")
@access(staff=ADMINISTRATORS, reauth=True)
def new_person_suspension() -> ResponseReturnValue:
    """Whom to suspend, and what that does."""
    return act_page(_suspension())


@blueprint.post("/staff/suspensions/new")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_person_suspension() -> ResponseReturnValue:
    """Suspend a person."""

    def suspend(form: Form) -> str:
        with services().db.reading() as tx:
            user = staff.find_by_verified_address(tx, form["email"].data)
        row = suspend_person(services().context, actor(), user.id, reason=form["reason"].data)
        ended = f"{user.name} is suspended. {plural(row.sessions_ended, 'session')} ended."
        return ended if reachable(user) else f"{ended} They {NOT_TOLD}."

    return send(_suspension(), suspend)


def _end(suspension_id: UUID) -> Act:
    suspension, user = waiting.find_suspended(services().context, actor(), suspension_id)
    points = [
        f"{user.name} can sign in again, and {_told_by_mail(user)}.",
        f"Suspended by {suspension.by_name}: {suspension.reason}",
    ]
    action = url_for("staff.create_person_reinstatement", suspension_id=suspension_id)
    return _act(f"End the suspension of {user.name}", "End the suspension", points, action, ConfirmForm)


@blueprint.get("/staff/suspensions/<uuid:suspension_id>/reinstatement")
@access(staff=ADMINISTRATORS, reauth=True)
def new_person_reinstatement(suspension_id: UUID) -> ResponseReturnValue:
    """What ending it does."""
    return act_page(_end(suspension_id))


@blueprint.post("/staff/suspensions/<uuid:suspension_id>/reinstatement")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_person_reinstatement(suspension_id: UUID) -> ResponseReturnValue:
    """Let a person sign in again."""

    def end(_: Form) -> str:
        user = waiting.find_suspended(services().context, actor(), suspension_id)[1]
        unsuspend_person(services().context, actor(), user.id)
        again = f"{user.name} can sign in again"
        return f"{again}." if reachable(user) else f"{again}, and {NOT_TOLD}."

    return send(_end(suspension_id), end)
