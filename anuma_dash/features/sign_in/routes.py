"""Sign-in, first sign-in, re-authentication, sign-out."""

from __future__ import annotations

from flask import Response, current_app, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.errors import NotFound, SignInRefused
from anuma_dash.features.sign_in import blueprint, service, welcome
from anuma_dash.features.sign_in.documents import ProviderDown
from anuma_dash.features.sign_in.id_tokens import new_trip
from anuma_dash.features.sign_in.models import SignInAttempt
from anuma_dash.features.sign_in.newcomers import COOKIE_SECONDS, TRIP_COOKIE, WELCOME_COOKIE, device, packed
from anuma_dash.features.sign_in.oidc import Identity, RelyingParty
from anuma_dash.settings import Provider
from anuma_dash.web import cookies
from anuma_dash.web.access import access, local_path, set_session_cookie
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services, signed_in, viewer

__all__ = ["welcome"]


@blueprint.get("/sign-in")
@access(anonymous=True)
def index() -> ResponseReturnValue:
    """Choose a provider."""
    target = _next_path()
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
    _provider(slug)
    return redirect(url_for("sign_in.index", next=_next_path()), 303)


@blueprint.post("/sign-in/<slug>")
@access(anonymous=True)
@limiter.limit("30 per minute")
def create(slug: str) -> ResponseReturnValue:
    """Begin a sign-in at a provider."""
    provider = _provider(slug)
    target = _next_path()
    return _leave_for_provider(provider, target, fresh=False)


@blueprint.get("/sign-in/reauthentication")
@access()
def reauthentication() -> ResponseReturnValue:
    """Explain why the person is asked once more."""
    return page(
        "sign_in/reauthentication.html",
        next_path=_next_path(),
        provider=_provider(signed_in().session.provider),
        minutes=services().settings.reauthentication_minutes,
    )


@blueprint.post("/sign-in/reauthentication")
@access()
@limiter.limit("30 per minute")
def reauthenticate() -> ResponseReturnValue:
    """Begin a re-authentication at the provider of this session."""
    return _leave_for_provider(_provider(signed_in().session.provider), _next_path(), fresh=True)


def _leave_for_provider(provider: Provider, target: str, *, fresh: bool) -> ResponseReturnValue:
    trip = new_trip(now(), fresh=fresh)
    try:
        address = _relying_party(provider).authorization_url(trip)
    except ProviderDown:
        if fresh:
            flash("stop", f"{provider.label} does not answer, so it cannot confirm who you are. Try again soon.")
            return redirect(url_for("sign_in.reauthentication", next=target), 303)
        return sign_in_page(
            target, problem=f"{provider.label} does not answer right now. Try again in a moment.", status=503
        )
    session_id = signed_in().session.id if fresh else None
    with services().db.transaction() as tx:
        token = service.begin_trip(tx, provider.slug, trip, target, session_id)
    # A redirect would leave this origin from a form, which `form-action 'self'` rightly refuses: a page takes over.
    response = page("sign_in/leaving.html", provider=provider, address=address)
    cookies.put(response, TRIP_COOKIE, token, max_age_seconds=COOKIE_SECONDS)
    return response


@blueprint.get("/sign-in/<slug>/callback")
@access(anonymous=True, writes_on_get="a provider sends the browser back with a GET")
@limiter.limit("60 per minute")
def callback(slug: str) -> ResponseReturnValue:
    """The way back from a provider."""
    provider = _provider(slug)
    with services().db.transaction() as tx:
        attempt = service.take_trip(tx, provider.slug, cookies.read(TRIP_COOKIE), now())
    try:
        identity = _relying_party(provider).identify(request.args.to_dict(), service.trip_of(attempt), now())
    except ProviderDown as error:
        return sign_in_page(attempt.next_path, problem=f"{error} Nothing was stored. Try again soon.", status=503)
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
            service.sign_out(tx, actor(), found.session, now())
        started = service.start(tx, settings, actor(), provider.slug, identity, device(), now())
    if started:
        response = make_response(redirect(attempt.next_path, 303))
        set_session_cookie(response, started[1])
        cookies.forget(response, TRIP_COOKIE)
        return response
    with services().db.reading() as tx:
        entry = service.entry(tx, settings, identity)
    if entry == "waiting":
        return redirect(url_for("sign_in.waiting"), 303)
    response = make_response(redirect(url_for("sign_in.welcome"), 303))
    cookies.put(response, WELCOME_COOKIE, packed(provider, identity, attempt.next_path), max_age_seconds=COOKIE_SECONDS)
    return response


@blueprint.post("/sign-out")
@access()
def sign_out() -> ResponseReturnValue:
    """End this session, here and now."""
    with services().db.transaction(durable=True) as tx:
        service.sign_out(tx, actor(), signed_in().session, now())
    response = make_response(redirect(url_for("sign_in.signed_out"), 303))
    cookies.forget(response, cookies.SESSION)
    # Cookies are left out: on localhost all ports share one jar.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@blueprint.get("/signed-out")
@access(anonymous=True)
def signed_out() -> ResponseReturnValue:
    """Say that the session has ended."""
    return page("sign_in/signed_out.html")


def _provider(slug: str) -> Provider:
    for provider in services().settings.sign_in_providers:
        if provider.slug == slug:
            return provider
    raise NotFound("There is no such sign-in provider.")


def _relying_party(provider: Provider) -> RelyingParty:
    parties = current_app.extensions.setdefault("anuma_relying_parties", {})
    if provider.slug not in parties:
        base = services().settings.public_url
        parties[provider.slug] = RelyingParty(provider, f"{base}/sign-in/{provider.slug}/callback")
    return parties[provider.slug]  # type: ignore[no-any-return]


def _next_path() -> str:
    return local_path(request.values.get("next", "/")) or "/"
