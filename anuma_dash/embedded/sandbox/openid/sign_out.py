"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0)."""

from typing import Any

import structlog
from authlib.oauth2.rfc6749 import OAuth2Error
from flask import Blueprint, Response, make_response, redirect, render_template, request

from anuma_dash.embedded.sandbox.openid import back_channel, browser
from anuma_dash.embedded.sandbox.openid.authorize import error_page
from anuma_dash.embedded.sandbox.openid.provider import Provider, current_provider

blueprint = Blueprint("sign_out", __name__)
log = structlog.get_logger("anuma.sandbox")


@blueprint.route("/end-session", methods=["GET", "POST"], endpoint="show")
def show() -> Response:
    """End this browser's session, asking first unless an ID token of the person signed in here vouches for it.

    Redirects only to a registered `post_logout_redirect_uri`, and only with a valid `id_token_hint`.
    """
    provider = current_provider()
    try:
        asked = provider.validate_endpoint_request("end_session")
    except (OAuth2Error, ValueError):  # Authlib quotes JOSE errors in a field that refuses a quote mark
        log.warning("sign_out.refused")
        return error_page("This sign-out request is not valid", "The id_token_hint is not one of ours.", 400)
    if not _vouched(asked.id_token_claims, provider) and not browser.is_our_form(request, {}, provider.issuer):
        return _confirmation()
    if session := browser.session_of(request, provider):
        back_channel.announce(provider, session)
    response = _leave(asked.redirect_uri)
    browser.end_session(request, response, provider)
    log.info("session.ended")
    return response


def _vouched(claims: dict[str, Any] | None, provider: Provider) -> bool:
    """Tell whether the hint is for whoever is signed in here; nobody signed in needs no asking."""
    if claims is None:
        return False
    session = browser.session_of(request, provider)
    return session is None or session.person.subject == claims.get("sub")


def _confirmation() -> Response:
    cookie = browser.form_cookie(request)
    response = make_response(render_template("openid/sign_out.html", form_token=browser.form_token(cookie, {})))
    browser.remember_form(response, cookie)
    return response


def _leave(address: str | None) -> Response:
    if address:
        return make_response(redirect(address, 303))
    return make_response(render_template("openid/signed_out.html"))
