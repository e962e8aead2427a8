"""Leaving: removing somebody, leaving oneself, and how far their keys are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from flask import Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.errors import Conflict, Invalid
from anuma_dash.features.people import blueprint, departures, key_fates, leavings, service
from anuma_dash.features.people.forms import CHOOSE_FATE, EXCEPTION, REVOKE, KeysForm
from anuma_dash.identity import Permission, Role
from anuma_dash.mail import reachable
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, services


@blueprint.get("/people/<uuid:user_id>/removal")
@access(Permission.MANAGE_PEOPLE, reauth=True)
def new_removal(user_id: UUID) -> ResponseReturnValue:
    """What removing this member does, with what is theirs."""
    if user_id == actor().user_id:
        return redirect(url_for("people.new_leaving"), 303)
    draft = draft_fields()
    return _page(user_id, KeysForm(draft), draft or {})


def _page(
    user_id: UUID, form: KeysForm, fields: Mapping[str, str], *, status: int = 200, problem: str = ""
) -> Response:
    leaving = user_id == actor().user_id
    with services().db.reading() as tx:
        user, membership = service.find_member(tx, account().id, user_id)
        if not leaving:
            service.require_rule(actor(), Role(membership.role))
        last_owner = service.is_last_owner(tx, membership)
        people = departures.recipients(tx, actor(), account(), user_id)
    form.offer(people)
    if not form.expected.data or problem:
        form.expected.data = membership.role
    held = None if last_owner else departures.holdings(services().context, actor(), account().id, user_id)
    chosen = {name: value for name, value in fields.items() if name.startswith(EXCEPTION)}
    return page(
        "people/leaving.html" if leaving else "people/removal.html",
        fragment="form",
        status=status,
        form=form,
        user=user,
        role=membership.role,
        reached=reachable(user),
        last_owner=last_owner,
        held=held,
        chosen=chosen,
        may_take_over=leaving or departures.may_take_over(actor()),
        revoke=REVOKE,
        problem=problem,
        breadcrumbs=[("People", url_for("people.index")), ("Leave" if leaving else "Remove", None)],
    )


@blueprint.post("/people/<uuid:user_id>/removal")
@access(Permission.MANAGE_PEOPLE, reauth=True)
@limiter.limit("60 per minute")
def create_removal(user_id: UUID) -> ResponseReturnValue:
    """Remove a member, and begin with their keys."""
    form, wish = _wish(user_id)
    expected = form.expected_role
    if wish is None or expected is None:
        form.keys.errors = [CHOOSE_FATE]
        return _page(user_id, form, request.form, status=422)
    try:
        row = departures.remove_member(services().context, actor(), account().id, user_id, expected=expected, wish=wish)
    except Invalid as error:
        form.keys.errors = [str(error)]
        return _page(user_id, form, request.form, status=422)
    except Conflict as error:
        return _page(user_id, form, request.form, status=409, problem=str(error))
    flash("ok", f"{row.user_name} does not belong to {account().name} any more.")
    return leave_for(url_for("people.show_departure", departure_id=row.id))


def _wish(user_id: UUID) -> tuple[KeysForm, departures.KeyWish | None]:
    form = KeysForm(request.form)
    with services().db.reading() as tx:
        form.offer(departures.recipients(tx, actor(), account(), user_id))
    return form, form.wish(request.form)


@blueprint.get("/people/leaving")
@access(Permission.READ_PEOPLE, reauth=True)
def new_leaving() -> ResponseReturnValue:
    """What leaving does, with what is mine."""
    user_id = actor().user_id
    assert user_id is not None
    draft = draft_fields()
    return _page(user_id, KeysForm(draft), draft or {})


@blueprint.post("/people/leaving")
@access(Permission.READ_PEOPLE, reauth=True)
@limiter.limit("60 per minute")
def create_leaving() -> ResponseReturnValue:
    """Leave the account, and begin with my keys."""
    user_id, name = actor().user_id, account().name
    assert user_id is not None
    form, wish = _wish(user_id)
    if wish is None:
        form.keys.errors = [CHOOSE_FATE]
        return _page(user_id, form, request.form, status=422)
    try:
        departures.leave_account(services().context, actor(), account().id, wish=wish)
    except Invalid as error:
        form.keys.errors = [str(error)]
        return _page(user_id, form, request.form, status=422)
    except Conflict as error:
        return _page(user_id, form, request.form, status=409, problem=str(error))
    flash("ok", f"You left {name}.")
    return leave_for("/")


@blueprint.post("/people/leaving/export")
@access(Permission.READ_PEOPLE, reauth=True)
@limiter.limit("10 per minute")
def create_export() -> ResponseReturnValue:
    """What I may take along, as a file."""
    found = leavings.export_own(services().context, actor(), account().id)
    response = make_response(json.dumps(found, indent=2, ensure_ascii=False))
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Disposition"] = 'attachment; filename="what-is-mine.json"'
    return response


@blueprint.get("/people/departures/<uuid:departure_id>")
@access(Permission.READ_PEOPLE)
def show_departure(departure_id: UUID) -> ResponseReturnValue:
    """Somebody who left, and how far their keys are."""
    with services().db.reading() as tx:
        row = departures.find_departure(tx, account().id, departure_id)
        fates = key_fates.key_fates(tx, row)
    return page(
        "people/departure.html",
        fragment="progress",
        row=row,
        fates=fates,
        names_keys=actor().may(Permission.READ_KEYS),
        unsettled=row.next_try_at is not None or any(fate.at is None for fate in fates),
        breadcrumbs=[("People", url_for("people.index")), (row.user_name, None)],
    )
