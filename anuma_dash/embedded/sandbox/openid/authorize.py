"""The authorization endpoint and its page: choose who you are.

The chooser is always shown, whoever is signed in here already: a developer wants to change roles more
often than to be waved through. That honours `prompt=login`, `prompt=select_account` and every `max_age`
by itself. Only `prompt=none` never shows it: it succeeds for whoever is signed in here and fresh enough,
and otherwise answers `login_required` (OpenID Connect Core, 3.1.2.1).
"""

from datetime import timedelta
from typing import Any

import structlog
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint, Response, make_response, render_template, request

from anuma_dash.embedded.sandbox.cast import BY_KEY, CAST, Person
from anuma_dash.embedded.sandbox.openid import browser
from anuma_dash.embedded.sandbox.openid.models import Session
from anuma_dash.embedded.sandbox.openid.new_person import EMAIL_LENGTH, NAME_LENGTH, NewPersonForm
from anuma_dash.embedded.sandbox.openid.provider import PARAMETERS, Provider, current_provider

blueprint = Blueprint("authorize", __name__)
log = structlog.get_logger("anuma.sandbox")


@blueprint.route("/authorize", methods=["GET", "POST"], endpoint="show")
def show() -> Response:
    """Show the chooser, answer `prompt=none`, or take a choice; clients may send requests by GET or POST."""
    provider = current_provider()
    chosen = "form_token" in request.form
    session = browser.session_of(request, provider)
    try:
        grant = provider.get_consent_grant(end_user=session if _fresh_enough(session, provider) else None)
    except OAuth2Error as error:
        return _refuse(error, provider)
    if chosen:
        return _choose(grant, provider)
    if request.values.get("prompt") == "none":
        return _to_client(provider.create_authorization_response(grant=grant, grant_user=session), provider)
    return _chooser(NewPersonForm(), session, 200)


def _fresh_enough(session: Session | None, provider: Provider) -> bool:
    """Tell whether somebody is signed in here, and recently enough for `max_age`; 0 means never."""
    asked = request.values.get("max_age", "")
    if session is None or not asked.isdecimal():
        return session is not None
    return provider.clock() - session.auth_time < timedelta(seconds=int(asked[:9]))


def _choose(grant: Any, provider: Provider) -> Response:
    if not browser.is_our_form(request, _carried(), provider.issuer):
        log.warning("form.refused")
        return error_page("This form is too old", "Go back to the dashboard and sign in again.", 400)
    person, form = _chosen_person()
    if person is None:
        return _chooser(form, browser.session_of(request, provider), 422)
    session = provider.store.open_session(person, browser.session_of(request, provider))
    response = _to_client(provider.create_authorization_response(grant=grant, grant_user=session), provider)
    browser.remember(response, session)
    log.info("person.chosen", subject=person.subject)
    return response


def _chosen_person() -> tuple[Person | None, NewPersonForm]:
    if member := BY_KEY.get(request.form.get("person", "")):
        return member.person, NewPersonForm()
    form = NewPersonForm.read(request.form)
    return (None if form.errors else form.person()), form


def _carried() -> dict[str, str]:
    return {name: request.values[name] for name in PARAMETERS if name in request.values}


def _chooser(form: NewPersonForm, session: Session | None, status: int) -> Response:
    cookie = browser.form_cookie(request)
    page = render_template(
        "openid/choose.html",
        cast=CAST,
        form=form,
        limits={"name": NAME_LENGTH, "email": EMAIL_LENGTH},
        carried=_carried(),
        form_token=browser.form_token(cookie, _carried()),
        here=session.person.subject if session else None,
    )
    response = make_response(page, status)
    browser.remember_form(response, cookie)
    return response


def _refuse(error: Any, provider: Provider) -> Response:
    """Send the error to the client; show a page where no registered address is known to send it to."""
    log.warning("authorization.refused", error=error.error, redirected=bool(error.redirect_uri))
    if error.redirect_uri:
        return _to_client(provider.handle_error_response(None, error), provider)
    return error_page("This sign-in request is not valid", error.description, 400)


def _to_client(response: Response, provider: Provider) -> Response:
    """Add `iss` to success and error alike (RFC 9207); 303, so that no form is ever posted on (RFC 9700, 4.12).

    Authlib's IssuerParameter misses the errors found before the choice.
    """
    response.location = add_params_to_uri(response.location, {"iss": provider.issuer})
    response.status_code = 303
    return response


def error_page(title: str, explanation: str, status: int) -> Response:
    """Draw the page for what cannot be sent back to a client."""
    return make_response(render_template("error.html", title=title, explanation=explanation), status)
