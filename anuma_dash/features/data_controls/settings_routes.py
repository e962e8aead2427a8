"""The pages of a control's other settings: its period, its newer text, whether people may choose."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import controls
from anuma_dash.domain.controls import PERIODS, AcceptFirst, period_words
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.errors import Invalid, NotFound
from anuma_dash.features.data_controls import blueprint, periods
from anuma_dash.features.data_controls.forms import AcceptForm, PeriodForm
from anuma_dash.features.data_controls.service import Place, find_place
from anuma_dash.identity import Permission
from anuma_dash.web.access import access
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.shown import FIELD, shown_count, signed_count
from anuma_dash.web.state import account, actor, services

CHANGES_A_MINUTE = limiter.limit("60 per minute")


@blueprint.get("/data-controls/<slug>/period")
@access(Permission.CHANGE_CONTROLS, Permission.CHANGE_OWN_CONTROLS)
def period(slug: str) -> ResponseReturnValue:
    """The periods that can be chosen; with one chosen, what it would delete."""
    place = _changeable(slug)
    return _draw_period(place, PeriodForm(request.args))


@blueprint.post("/data-controls/<slug>/period")
@access(Permission.CHANGE_CONTROLS, Permission.CHANGE_OWN_CONTROLS)
@CHANGES_A_MINUTE
def set_period(slug: str) -> ResponseReturnValue:
    """Save a period, after what it deletes was shown."""
    place, form = _changeable(slug), PeriodForm(request.form)
    days = form.chosen
    if days == "none":
        raise Invalid("Choose one of the periods.", field="days")
    shown_count(_about(place, days), request.form.get(FIELD, ""))
    try:
        change = controls.request_period(services().context, actor(), account().id, place.control, days, own=place.own)
    except AcceptFirst as error:
        return _draw_period(place, form, problem=str(error), status=409)
    return _leave(place, change, f"The period of {place.label.lower()}: {period_words(days)}")


@blueprint.get("/data-controls/<slug>/text")
@access(Permission.SWITCH_ON, Permission.CHANGE_OWN_CONTROLS)
def text(slug: str) -> ResponseReturnValue:
    """The current text of a control that was switched on under an older one."""
    return _draw_text(_changeable(slug), AcceptForm())


@blueprint.post("/data-controls/<slug>/text")
@access(Permission.SWITCH_ON, Permission.CHANGE_OWN_CONTROLS)
@CHANGES_A_MINUTE
def accept_text(slug: str) -> ResponseReturnValue:
    """Accept the current text without switching anything."""
    place, form = _changeable(slug), AcceptForm(request.form)
    try:
        scope = place.scope(actor())
        controls.accept_text(services().context, actor(), account().id, scope, form.accepted_sha256)
    except Invalid as error:
        form.refuse(str(error))
        return _draw_text(place, form, status=422)
    flash("ok", "Recorded. Nothing was switched.")
    return redirect(url_for("data_controls.index", _anchor=place.slug), 303)


@blueprint.get("/data-controls/<slug>/people")
@access(Permission.CHANGE_CONTROLS)
def people(slug: str) -> ResponseReturnValue:
    """Whether members may switch a personal control on for themselves, and what forbidding does."""
    place = _of_people(slug)
    return page(
        "data_controls/people.html",
        breadcrumbs=[("Data controls", url_for("data_controls.index")), (place.label, None)],
        place=place,
        forbidden=periods.asked_value(services().context, account().id, place.scope(actor())).forbidden,
    )


@blueprint.post("/data-controls/<slug>/people")
@access(Permission.CHANGE_CONTROLS)
@CHANGES_A_MINUTE
def set_people(slug: str) -> ResponseReturnValue:
    """Forbid members to switch a personal control on, or let each decide."""
    place = _of_people(slug)
    choice = {"forbidden": True, "own_choice": False}.get(request.form.get("people", ""))
    if choice is None:
        raise Invalid("The form did not say whether people may choose.", field="people")
    change = controls.request_own_choice(services().context, actor(), account().id, place.control, forbidden=choice)
    what = "may not switch it on" if choice else "each decide for themselves"
    return _leave(place, change, f"{place.label}: members {what}")


def _of_people(slug: str) -> Place:
    place = find_place(slug)
    if place.own or not place.control.personal:
        raise NotFound("There is no such page.")
    return place


def _changeable(slug: str) -> Place:
    place = find_place(slug)
    actor().require(Permission.CHANGE_OWN_CONTROLS if place.own else Permission.CHANGE_CONTROLS)
    return place


def _about(place: Place, days: int | None) -> str:
    return f"period {place.slug} {days}"


def _leave(place: Place, change: controls.ControlChange, what: str) -> ResponseReturnValue:
    if change.outcome == "in_effect":
        flash("ok", f"{what}, confirmed by the gateway.")
    elif change.outcome == "pending":
        flash("wait", f"{what}, requested; the gateway has not confirmed it yet.")
    else:
        flash("wait", "Another request came in the meantime. The page shows that one.")
    return redirect(url_for("data_controls.index", _anchor=place.slug), 303)


def _draw_period(place: Place, form: PeriodForm, *, problem: str = "", status: int = 200) -> Response:
    context, chosen = services().context, form.chosen
    asked = periods.asked_value(context, account().id, place.scope(actor()))
    effect = periods.effect_of(context, actor(), account().id, place, chosen, asked) if chosen != "none" else None
    return page(
        "data_controls/period.html",
        status=status,
        breadcrumbs=[("Data controls", url_for("data_controls.index")), (place.label, None)],
        place=place,
        choices=[
            (days or "forever", "Until I delete it" if days is None else period_words(days), "") for days in PERIODS
        ],
        value=(asked.retention_days if chosen == "none" else chosen) or "forever",
        effect=effect,
        days=chosen,
        problem=problem,
        shown=signed_count(_about(place, chosen), effect.count) if effect and chosen != "none" else "",
        period_words=period_words,
    )


def _draw_text(place: Place, form: AcceptForm, *, status: int = 200) -> Response:
    return page(
        "data_controls/text.html",
        status=status,
        breadcrumbs=[("Data controls", url_for("data_controls.index")), (place.label, None)],
        place=place,
        disclosure=current_disclosure(place.control.name),
        form=form,
    )
