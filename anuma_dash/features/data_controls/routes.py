"""The pages of the data controls. Every change sends the state that is wanted, never "flip"."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import Response, current_app, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import new_id
from anuma_dash.domain import controls
from anuma_dash.domain.controls import find_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.errors import GatewayRefused, Invalid, NotFound
from anuma_dash.features.data_controls import blueprint, rules_routes, service, settings_routes
from anuma_dash.features.data_controls.forms import AcceptForm, TestForm
from anuma_dash.features.data_controls.service import Place, find_place
from anuma_dash.identity import Permission
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.flashes import flash
from anuma_dash.web.render import page, wants_fragment
from anuma_dash.web.shown import FIELD, shown_count, signed_count
from anuma_dash.web.state import account, actor, now, services

CHANGES_A_MINUTE = settings_routes.CHANGES_A_MINUTE
__all__ = ["rules_routes"]


@blueprint.get("/data-controls")
@access(Permission.READ_CONTROLS, support="read")
def index() -> ResponseReturnValue:
    """Every control, what is stored, and the last tests."""
    return _draw(None)


@blueprint.get("/data-controls/<slug>")
@access(Permission.READ_CONTROLS, support="read")
def show(slug: str) -> ResponseReturnValue:
    """One switch, as it asks for itself while a change is on its way; without htmx, the whole page."""
    return _draw(_seen(slug), fragment=["control"])


@blueprint.get("/data-controls/<slug>/edit")
@access(Permission.SWITCH_ON, Permission.CHANGE_OWN_CONTROLS)
def edit(slug: str) -> ResponseReturnValue:
    """The disclosure that must be accepted to switch a control on."""
    place = find_place(slug)
    actor().require(Permission.CHANGE_OWN_CONTROLS if place.own else Permission.SWITCH_ON)
    return _draw_disclosure(place, AcceptForm())


@blueprint.post("/data-controls/<slug>")
@access(Permission.CHANGE_CONTROLS, Permission.CHANGE_OWN_CONTROLS)
@CHANGES_A_MINUTE
def update(slug: str) -> ResponseReturnValue:
    """Ask for a control to be on or off."""
    place, form = find_place(slug), AcceptForm(request.form)
    actor().require(Permission.CHANGE_OWN_CONTROLS if place.own else Permission.CHANGE_CONTROLS)
    wanted = form.wanted
    if wanted is None:
        raise Invalid("The form did not say whether it should be on or off.", field="state")
    try:
        change = controls.request_control(
            services().context,
            actor(),
            account().id,
            place.control,
            enabled=wanted,
            accepted_sha256=form.accepted_sha256,
            own=place.own,
        )
    except Invalid as error:
        form.refuse(str(error))
        return _draw_disclosure(place, form, status=422)
    return _changed(place, change)


@blueprint.post("/data-controls/<slug>/repetition")
@access(Permission.CHANGE_CONTROLS)
@CHANGES_A_MINUTE
def repetition(slug: str) -> ResponseReturnValue:
    """Send the last choice again, because the gateway obeys settings that are not ours."""
    place = find_place(slug)
    return _changed(place, controls.ask_again(services().context, actor(), account().id))


def _changed(place: Place, change: controls.ControlChange) -> ResponseReturnValue:
    word = "on" if controls.value_in(change.state, place.scope(actor())).enabled else "off"
    if change.outcome == "in_effect":
        flash("ok", f"{place.label} is {word}, confirmed by the gateway.")
    elif change.outcome == "pending":
        flash("wait", f"Turning {place.label.lower()} {word} is requested; the gateway has not confirmed it yet.")
    else:
        flash("wait", f"Another request for {place.label.lower()} came in the meantime. The page shows that one.")
    return _answer(place)


@blueprint.post("/data-controls/<slug>/keeping")
@access(Permission.CHANGE_CONTROLS, Permission.CHANGE_OWN_CONTROLS)
@CHANGES_A_MINUTE
def keeping(slug: str) -> ResponseReturnValue:
    """Keep what was stored while the control was on."""
    place = find_place(slug)
    actor().require(Permission.CHANGE_OWN_CONTROLS if place.own else Permission.CHANGE_CONTROLS)
    count = shown_count(place.slug, request.form.get(FIELD, ""))
    if count is None:
        raise Invalid(f"The form did not say how many {place.control.items} are kept.", field=FIELD)
    controls.keep_stored_items(services().context, actor(), account().id, place.control, count, own=place.own)
    flash("ok", "They are kept until their period ends; you can delete them at any time.")
    return _answer(place)


@blueprint.post("/data-controls/tests")
@access(Permission.CHANGE_CONTROLS)
@CHANGES_A_MINUTE
def create_test() -> ResponseReturnValue:
    """Have the gateway test a control under a key."""
    form = TestForm(request.form)
    try:
        if form.token is None or form.key_id is None:
            raise Invalid("Choose the key to test with.", field="key_id")
        test = service.test_control(
            services().context,
            actor(),
            account().id,
            find_control(form.control.data or "prompt-logging"),
            key_id=form.key_id,
            token=form.token,
        )
    except Invalid as error:
        return _draw(None, fragment=["tests"], status=422, test_problem=str(error))
    except GatewayRefused as error:
        if error.status != 429:
            raise
        return _too_soon(error.problem.get("retry_after_seconds"))
    return leave_for(url_for("data_controls.show_test", test_id=test.id))


def _too_soon(seconds: object) -> Response:
    wait = seconds if isinstance(seconds, int) and 0 < seconds <= 3600 else 60
    problem = f"One test a minute is enough for the gateway. Try again in {wait} s; nothing was lost."
    response = _draw(None, fragment=["tests"], status=429, test_problem=problem)
    response.headers["Retry-After"] = str(wait)
    return response


@blueprint.get("/data-controls/tests/<uuid:test_id>")
@access(Permission.READ_CONTROLS, support="read")
def show_test(test_id: UUID) -> ResponseReturnValue:
    """What a test found, in plain words."""
    test = service.find_test(services().context, actor(), account().id, test_id)
    return page(
        "data_controls/test.html",
        breadcrumbs=[("Data controls", url_for("data_controls.index")), ("Test", None)],
        test=test,
        label=controls.CONTROLS[test.control].label,
        found=test.result,
        verdict=service.verdict(test.result),
        request_url=_url("requests.show", Permission.READ_REQUESTS, request_id=test.result.request_id),
    )


def _seen(slug: str) -> Place:
    place = find_place(slug)
    if place not in service.places_of(actor()):
        raise NotFound("There is no such control.")
    return place


def _answer(place: Place) -> ResponseReturnValue:
    if not wants_fragment():
        return redirect(url_for("data_controls.index", _anchor=place.slug), 303)
    return _draw(place, fragment=["flash", "control"])


def _draw(
    place: Place | None, *, fragment: Sequence[str] | None = None, status: int = 200, test_problem: str = ""
) -> Response:
    found = service.read_controls(services().context, actor(), account().id)
    may_delete = actor().may(Permission.DELETE_CONTENT) or actor().may(Permission.DELETE_OWN_CONTENT)
    return page(
        "data_controls/index.html",
        fragment=fragment,
        status=status,
        controls=found,
        line=found.line(place) if place else None,
        now=now(),
        may_change=actor().may(Permission.CHANGE_CONTROLS),
        may_switch_on=actor().may(Permission.SWITCH_ON),
        me=actor().user_id,
        verdict=service.verdict,
        signed_count=signed_count,
        period_words=controls.period_words,
        control_labels={name: one.label for name, one in controls.CONTROLS.items()},
        test_choices=list(controls.CONTROLS.values()),
        test_token=str(new_id()),
        test_problem=test_problem,
        new_key_url=_url("keys.new", Permission.MAKE_KEYS),
        deletion_url=_url("deletions.new", category="request_content") if may_delete else None,
        activity_url=_url("activity.index", Permission.READ_ACTIVITY, what="control"),
    )


def _draw_disclosure(place: Place, form: AcceptForm, *, status: int = 200) -> Response:
    return page(
        "data_controls/edit.html",
        fragment="disclosure",
        status=status,
        breadcrumbs=[("Data controls", url_for("data_controls.index")), (place.label, None)],
        place=place,
        disclosure=current_disclosure(place.control.name),
        form=form,
    )


def _url(endpoint: str, *permissions: Permission, **values: object) -> str | None:
    known = endpoint in current_app.view_functions
    allowed = not permissions or any(actor().may(permission) for permission in permissions)
    return url_for(endpoint, **values) if known and allowed else None  # type: ignore[arg-type]
