"""Sign-in, first sign-in, re-authentication, sign-out."""

from __future__ import annotations

from flask import Response, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.errors import SignInRefused
from anuma_dash.features.sign_in import (
    blueprint,
    endings,
    linking,
    reauthentication,
    service,
    sign_out,
    sign_up,
    welcome,
)
from anuma_dash.features.sign_in.attempts import take_trip, trip_of
from anuma_dash.features.sign_in.documents import ProviderDown
from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.features.sign_in.newcomers import COOKIE_SECONDS, TRIP_COOKIE, WELCOME_COOKIE, device, packed
from anuma_dash.features.sign_in.oidc import Identity
from anuma_dash.features.sign_in.providers import find_provider, relying_party
from anuma_dash.features.sign_in.trips import leave_for_provider, next_path
from anuma_dash.settings import Provider
from anuma_dash.web import cookies
from anuma_dash.web.access import access, set_session_cookie
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services, viewer

__all__ = ["linking", "reauthentication", "sign_out", "welcome"]


@blueprint.get("/sign-in")
@access(anonymous=True)
def index() -> ResponseReturnValue:
    """Choose a provider."""
    target = next_path()
    if viewer() is not None:
        return redirect(target, 303)
    return sign_in_page(target)


def sign_in_page(target: str, *, problem: str = "", status: int = 200) -> Response:
    """What this site is, and the ways in."""
    return page(
        "sign_in/index.html",
        status=status,
        providers=services().settings.sign_in_providers,
        next_path=target,
        problem=problem,
        sign_up=services().settings.sign_up,
    )


@blueprint.get("/sign-in/<slug>")
@access(anonymous=True)
def show(slug: str) -> ResponseReturnValue:
    """A link to one provider: signing in begins with a button, so that no other site can begin it."""
    find_provider(slug)
    return redirect(url_for("sign_in.index", next=next_path()), 303)


@blueprint.post("/sign-in/<slug>")
@access(anonymous=True)
@limiter.limit("30 per minute")
def create(slug: str) -> ResponseReturnValue:
    """Begin a sign-in at a provider."""
    provider, target = find_provider(slug), next_path()
    try:
        return leave_for_provider(provider, target, "sign_in")
    except ProviderDown:
        problem = f"{provider.label} does not answer right now. Try again in a moment."
        return sign_in_page(target, problem=problem, status=503)


@blueprint.get("/sign-in/<slug>/callback")
@access(anonymous=True, writes_on_get="a provider sends the browser back with a GET")
@limiter.limit("60 per minute")
def callback(slug: str) -> ResponseReturnValue:
    """The way back from a provider."""
    provider = find_provider(slug)
    with services().db.transaction() as tx:
        attempt = take_trip(tx, provider.slug, cookies.read(TRIP_COOKIE), now())
    try:
        identity = relying_party(provider).identify(request.args.to_dict(flat=False), trip_of(attempt, provider), now())
    except ProviderDown as error:
        return sign_in_page(attempt.next_path, problem=f"{error} Nothing was stored. Try again soon.", status=503)
    if attempt.purpose == "link":
        return linking.link(provider, attempt, identity)
    if attempt.session_id is not None:
        return _reauthenticated(attempt, identity)
    return _signed_in(provider, attempt, identity)


def _reauthenticated(attempt: SignInAttempt, identity: Identity) -> ResponseReturnValue:
    found = viewer()
    if found is None or found.session.id != attempt.session_id:
        raise SignInRefused("The session that asked for this has ended.")
    with services().db.transaction(durable=True) as tx:
        token = service.reauthenticate(tx, services().settings, actor(), found.session, identity, now())
    response = make_response(redirect(attempt.next_path, 303))
    set_session_cookie(response, token)
    return response


def _signed_in(provider: Provider, attempt: SignInAttempt, identity: Identity) -> ResponseReturnValue:
    settings = services().settings
    found = viewer()
    with services().db.transaction(durable=True) as tx:
        if found is not None:
            endings.sign_out(tx, actor(), found.session, now())
        started = service.start(tx, settings, actor(), provider.slug, identity, device(), now())
    if started:
        response = make_response(redirect(attempt.next_path, 303))
        set_session_cookie(response, started[1])
        cookies.forget(response, TRIP_COOKIE)
        return response
    with services().db.reading() as tx:
        entry = sign_up.entry(tx, settings, identity, now())
    if entry == "waiting":
        return redirect(url_for("sign_in.waiting"), 303)
    response = make_response(redirect(url_for("sign_in.welcome"), 303))
    cookies.put(response, WELCOME_COOKIE, packed(provider, identity, attempt.next_path), max_age_seconds=COOKIE_SECONDS)
    return response
