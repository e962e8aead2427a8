"""Signing out: here first, then at the provider if the person wants to; and when the provider says so."""

from __future__ import annotations

from flask import Response, jsonify, make_response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.errors import NotFound, SignInRefused
from anuma_dash.features.sign_in import blueprint, endings
from anuma_dash.features.sign_in.documents import ProviderDown
from anuma_dash.features.sign_in.providers import find_provider, relying_party
from anuma_dash.settings import Provider
from anuma_dash.web import cookies
from anuma_dash.web.access import access
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, client_address, now, request_id, services, signed_in


@blueprint.post("/sign-out")
@access()
def sign_out() -> ResponseReturnValue:
    """End this session, here and now."""
    session = signed_in().session
    with services().db.transaction(durable=True) as tx:
        endings.sign_out(tx, actor(), session, now())
    response = make_response(redirect(url_for("sign_in.signed_out", provider=session.provider), 303))
    cookies.forget(response, cookies.SESSION)
    # Cookies are left out: on localhost all ports share one jar.
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@blueprint.get("/signed-out")
@access(anonymous=True)
def signed_out() -> ResponseReturnValue:
    """Say that the session has ended here, and offer to sign out at the provider too."""
    provider = _named_provider()
    return_to = f"{services().settings.public_url}{url_for('sign_in.signed_out')}"
    leave_url = relying_party(provider).sign_out_url(return_to) if provider else None
    return page("sign_in/signed_out.html", provider=provider, leave_url=leave_url)


def _named_provider() -> Provider | None:
    try:
        return find_provider(request.args.get("provider", ""))
    except NotFound:
        return None


def _was_refused(response: Response) -> bool:
    return response.status_code != 200


@blueprint.post("/sign-in/<slug>/back-channel-logout")
@access(anonymous=True, session=False, csrf_exempt="a provider sends it; the token's signature is the proof")
@limiter.limit("60 per minute", deduct_when=_was_refused)
def back_channel_logout(slug: str) -> ResponseReturnValue:
    """A provider says that sessions there have ended (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8)."""
    provider = find_provider(slug)
    tokens = request.form.getlist("logout_token")
    try:
        if len(tokens) != 1:
            raise SignInRefused("There must be one logout token.")
        logout = relying_party(provider).read_logout(tokens[0], now())
        with services().db.transaction(durable=True) as tx:
            endings.end_for_provider(tx, provider.label, logout, client_address(), request_id(), now())
    except (SignInRefused, ProviderDown) as error:
        refused = isinstance(error, SignInRefused)
        return _refusal("invalid_request" if refused else "temporarily_unavailable", str(error))
    return make_response("", 200)


def _refusal(error: str, description: str) -> Response:
    # 400 even if it is not the token's fault: the specification knows no other status for a logout that failed.
    return make_response(jsonify(error=error, error_description=description), 400)
