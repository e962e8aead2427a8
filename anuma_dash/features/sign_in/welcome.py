"""First sign-in: the age question, the notices, the new account."""

from __future__ import annotations

import contextlib
from uuid import UUID

from flask import Response, make_response, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.accounts import sync_account
from anuma_dash.domain.notices import NOTICES
from anuma_dash.errors import GatewayError
from anuma_dash.features.sign_in import blueprint, service, sign_up
from anuma_dash.features.sign_in.forms import WelcomeForm
from anuma_dash.features.sign_in.newcomers import device, forget_newcomer, newcomer
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.web.access import access, leave_for, set_session_cookie
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.web.state import actor, now, services


@blueprint.get("/welcome")
@access(anonymous=True)
def welcome() -> ResponseReturnValue:
    """First sign-in: the age question and the notices. Nothing is stored here yet."""
    _, identity, _ = newcomer()
    return _welcome_page(WelcomeForm(name=identity.name), identity)


def _welcome_page(form: WelcomeForm, identity: Identity, status: int = 200) -> Response:
    with services().db.reading() as tx:
        entry = sign_up.entry(tx, services().settings, identity, now())
    return page(
        "sign_in/welcome.html",
        fragment="form",
        status=status,
        form=form,
        notices=NOTICES,
        email=identity.email,
        entry=entry,
        known_before=services().settings.sign_up != "open" and entry == "open",
    )


@blueprint.post("/welcome")
@access(anonymous=True)
@limiter.limit("30 per minute")
def create_user() -> ResponseReturnValue:
    """Create the person with their account, or note that they ask to be let in; under 13, keep nothing at all."""
    slug, identity, target = newcomer()
    if request.form.get("age") == "under_13":
        with services().db.transaction(durable=True) as tx:
            sign_up.forget_under_13(tx, identity)
        return _goodbye(url_for("sign_in.under_13"))
    form = WelcomeForm(request.form)
    if not form.validate():
        return _welcome_page(form, identity, 422)
    with services().db.transaction(durable=True) as tx:
        entry = sign_up.entry(tx, services().settings, identity, now())
        if entry != "open":
            sign_up.ask_to_be_let_in(tx, services().settings, actor(), slug, identity, now())
    if entry != "open":
        return _goodbye(url_for("sign_in.waiting"))
    session, token = _start(slug, identity, form)
    _tell_gateway(session.account_id)
    response = _goodbye(target)
    set_session_cookie(response, token)
    return response


def _start(slug: str, identity: Identity, form: WelcomeForm) -> tuple[BrowserSession, str]:
    settings = services().settings
    person = service.NewPerson(form.name.data or "", form.time_zone.data, bool(form.thirteen_or_older.data))
    with services().db.transaction(durable=True) as tx:
        return service.start(tx, settings, actor(), slug, identity, device(), now()) or service.create_person(
            tx, settings, actor(), slug, identity, person, device(), now()
        )


def _goodbye(target: str) -> Response:
    response = make_response(leave_for(target))
    forget_newcomer(response)
    return response


@blueprint.get("/waiting")
@access(anonymous=True)
def waiting() -> ResponseReturnValue:
    """Say that the request to be let in is noted."""
    return page("sign_in/waiting.html")


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
