"""The person: name, language, time zone, ways to sign in."""

from __future__ import annotations

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.members import belongings_of
from anuma_dash.features.profile import blueprint, service
from anuma_dash.features.profile.forms import ProfileForm
from anuma_dash.web.access import access
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services, signed_in


@blueprint.get("/profile")
@access()
def show() -> ResponseReturnValue:
    """What is known of the person, and the form of what they say themselves."""
    user = signed_in().user
    return _page(ProfileForm(name=user.name, time_zone=user.time_zone))


def _page(form: ProfileForm, status: int = 200) -> Response:
    user = signed_in().user
    with services().db.reading() as tx:
        sent = service.sent_by_providers(tx, services().settings, user.id)
        shown = service.notices_shown(tx, user.id)
        belongings = belongings_of(tx, user.id)
    source = next((one.label for one in sent if one.source), "")
    return page(
        "profile/show.html",
        fragment="form",
        status=status,
        form=form,
        user=user,
        sent=sent,
        shown=shown,
        source=source,
        belongings=belongings,
    )


@blueprint.post("/profile")
@access()
@limiter.limit("30 per minute")
def update() -> ResponseReturnValue:
    """Change name and time zone."""
    form = ProfileForm(request.form)
    if not form.validate():
        return _page(form, 422)
    user = signed_in().user
    with services().db.transaction(durable=True) as tx:
        changed = service.update_profile(tx, actor(), user.id, form.name.data or "", form.time_zone.data, now())
    flash("ok" if changed else "info", "Your profile is saved." if changed else "Nothing was changed.")
    return redirect(url_for("profile.show"), 303)
