"""First sign-in: the age question, the notices, the new account."""

from __future__ import annotations

import contextlib
from uuid import UUID

from flask import make_response, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.accounts import sync_account
from anuma_dash.domain.notices import NOTICES
from anuma_dash.errors import GatewayError
from anuma_dash.features.sign_in import blueprint, service
from anuma_dash.features.sign_in.cookies import device, forget_newcomer, newcomer
from anuma_dash.features.sign_in.forms import WelcomeForm
from anuma_dash.web.access import access, leave_for, set_session_cookie
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services


@blueprint.get("/welcome")
@access(anonymous=True)
def welcome() -> ResponseReturnValue:
    """First sign-in: the age question and the notices. Nothing is stored here yet."""
    _, identity, _ = newcomer()
    return page("sign_in/welcome.html", form=WelcomeForm(name=identity.name), notices=NOTICES, email=identity.email)


@blueprint.post("/welcome")
@access(anonymous=True)
@limiter.limit("30 per minute")
def create_user() -> ResponseReturnValue:
    """Create the person with their account; or, under 13, nothing at all."""
    slug, identity, target = newcomer()
    if request.form.get("age") == "under_13":
        response = make_response(leave_for(url_for("sign_in.under_13")))
        forget_newcomer(response)
        return response
    form = WelcomeForm(request.form)
    if not form.validate():
        return page(
            "sign_in/welcome.html", fragment="form", status=422, form=form, notices=NOTICES, email=identity.email
        )
    person = service.NewPerson(form.name.data or "", form.time_zone.data, bool(form.thirteen_or_older.data))
    with services().db.transaction(durable=True) as tx:
        session, token = service.start(
            tx, services().settings, actor(), slug, identity, device(), now()
        ) or service.create_person(tx, services().settings, actor(), slug, identity, person, device(), now())
    _tell_gateway(session.account_id)
    response = make_response(leave_for(target))
    set_session_cookie(response, token)
    forget_newcomer(response)
    return response


@blueprint.get("/under-13")
@access(anonymous=True)
def under_13() -> ResponseReturnValue:
    """Say that nothing was stored."""
    return page("sign_in/under_13.html")


def _tell_gateway(account_id: UUID | None) -> None:
    if account_id is None:
        return
    # If the gateway does not answer, the worker goes on trying; the pages say what is missing until then.
    with contextlib.suppress(GatewayError):
        sync_account(services().context, account_id)
