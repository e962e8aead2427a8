"""Confirming who is there before a dangerous act: at the provider, by a passkey, or by a mailed code."""

from __future__ import annotations

from flask import Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain import passkeys
from anuma_dash.domain.confirming import may_get_code
from anuma_dash.errors import PasskeyRefused
from anuma_dash.features.sign_in import blueprint, confirmation
from anuma_dash.features.sign_in.documents import ProviderDown
from anuma_dash.features.sign_in.providers import find_provider
from anuma_dash.features.sign_in.trips import leave_for_provider, next_path
from anuma_dash.settings import Provider
from anuma_dash.web.access import access, set_session_cookie
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import by_address, limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services, signed_in

PROBLEMS = {
    "wrong": "That is not the code.",
    "malformed": "Enter the 8 digits of the code.",
    "expired": "There is no code that still works. Send a new one.",
    "exhausted": "That was wrong too often. This code no longer works: send a new one.",
}


@blueprint.get("/sign-in/reauthentication")
@access()
def reauthentication() -> ResponseReturnValue:
    """Explain why the person is asked once more, and offer the ways that they have."""
    return _page()


def _page(*, code_problem: str = "", status: int = 200) -> Response:
    found, settings, provider = signed_in(), services().settings, _provider_of_session()
    with services().db.reading() as tx:
        own = passkeys.passkeys_of(tx, found.user.id)
        standing = confirmation.code_standing(tx, found.session.id, now())
    offers_code = may_get_code(settings, provider, found.user)
    return page(
        "sign_in/reauthentication.html",
        fragment="code_state" if offers_code else None,
        status=status,
        next_path=next_path(),
        provider=provider,
        passkeys=own,
        offers_code=offers_code,
        code=standing if offers_code else None,
        code_problem=code_problem,
        masked=masked(found.user.email or ""),
        minutes=settings.reauthentication_minutes,
    )


def _provider_of_session() -> Provider | None:
    slug = signed_in().session.provider
    return next((one for one in services().settings.sign_in_providers if one.slug == slug), None)


def masked(address: str) -> str:
    """An e-mail address for a screen that others may see: "o…@example.com"."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


@blueprint.post("/sign-in/reauthentication")
@access()
@limiter.limit("30 per minute")
def reauthenticate() -> ResponseReturnValue:
    """Begin a re-authentication at the provider of this session."""
    provider = find_provider(signed_in().session.provider)
    try:
        return leave_for_provider(provider, next_path(), "reauthenticate")
    except ProviderDown:
        flash("stop", f"{provider.label} does not answer, so it cannot confirm who you are. Try again soon.")
        return _back()


def _back() -> ResponseReturnValue:
    return redirect(url_for("sign_in.reauthentication", next=next_path()), 303)


def _confirmed(token: str) -> ResponseReturnValue:
    response = make_response(redirect(next_path(), 303))
    set_session_cookie(response, token)
    return response


@blueprint.post("/sign-in/reauthentication/codes")
@access()
@limiter.limit("5 per 10 minutes")
@limiter.limit("20 per 10 minutes", key_func=by_address)
def create_code() -> ResponseReturnValue:
    """Have a code mailed to the verified address."""
    found = signed_in()
    with services().db.transaction(durable=True) as tx:
        confirmation.send_code(
            tx, services().settings, actor(), _provider_of_session(), found.session, found.user, now()
        )
    return _back()


@blueprint.get("/sign-in/reauthentication/code")
@access()
def code() -> ResponseReturnValue:
    """The same page, for whoever loads it again after a wrong code."""
    return _page()


@blueprint.post("/sign-in/reauthentication/code")
@access()
@limiter.limit("30 per 10 minutes")
@limiter.limit("60 per 10 minutes", key_func=by_address)
def confirm_code() -> ResponseReturnValue:
    """Judge the code that was typed."""
    typed = request.form.get("code", "")
    verdict, token = confirmation.confirm_by_code(services().context, actor(), signed_in().session, typed)
    return _confirmed(token) if verdict == "right" else _page(code_problem=PROBLEMS[verdict], status=422)


@blueprint.post("/sign-in/reauthentication/passkey")
@access()
@limiter.limit("30 per minute")
def create_ceremony() -> ResponseReturnValue:
    """Begin a confirmation by passkey."""
    with services().db.transaction() as tx:
        passkeys.begin_ceremony(tx, signed_in().session.id, "confirm", now())
    return redirect(url_for("sign_in.ceremony", next=next_path()), 303)


@blueprint.get("/sign-in/reauthentication/passkey")
@access()
def ceremony() -> ResponseReturnValue:
    """Let the browser ask for the passkey."""
    found = signed_in()
    with services().db.reading() as tx:
        begun = passkeys.find_ceremony(tx, found.session.id, "confirm", now())
        if begun is None or not passkeys.passkeys_of(tx, found.user.id):
            return _back()
        options = passkeys.confirmation_options(tx, services().settings, found.user.id, begun)
    return page("sign_in/passkey.html", options=options, expires_at=begun.expires_at, next_path=next_path())


@blueprint.post("/sign-in/reauthentication/assertion")
@access()
@limiter.limit("30 per minute")
def confirm_passkey() -> ResponseReturnValue:
    """Judge what the passkey answered."""
    found = signed_in()
    with services().db.transaction(durable=True) as tx:
        begun = passkeys.take_ceremony(tx, found.session.id, "confirm", now())
    answer = request.form.get("credential", "")
    try:
        if begun is None:
            raise PasskeyRefused("This was used already, or it took longer than five minutes. Begin again.")
        token = confirmation.confirm_by_passkey(services().context, actor(), found.session, begun, answer)
    except PasskeyRefused as error:
        flash("stop", str(error))
        return _back()
    return _confirmed(token)
