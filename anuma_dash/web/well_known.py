"""Addresses that programs know by heart (RFC 8615): weaknesses, sign-in, crawling."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response, current_app, redirect, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from anuma_dash.web.access import access
from anuma_dash.web.formats import utc_iso
from anuma_dash.web.state import now, services

blueprint = Blueprint("well_known", __name__)
SECURITY_TXT = "/.well-known/security.txt"
SECURITY_TXT_LIFETIME = timedelta(days=180)
SIGN_IN_METHODS = "/sign-in-methods"


@blueprint.get(SECURITY_TXT)
@access(anonymous=True, session=False)
def security_txt() -> Response:
    """Whom to tell of a weakness (RFC 9116). Made anew at each request, so its end is always half a year ahead."""
    settings = services().settings
    lines = {
        "Contact": settings.security_contact or f"mailto:{settings.support_email}",
        "Expires": utc_iso(now() + SECURITY_TXT_LIFETIME),
        "Preferred-Languages": "en",
        "Canonical": settings.public_url.rstrip("/") + SECURITY_TXT,
        "Policy": settings.security_policy_url,
    }
    return _text("".join(f"{name}: {value}\n" for name, value in lines.items() if value))


@blueprint.get("/.well-known/change-password")
@access(anonymous=True, session=False)
def change_password() -> ResponseReturnValue:
    """Where password managers send people (W3C, "A Well-Known URL for Changing Passwords").

    There are no passwords here: it leads to the page of one's ways to sign in, else to signing in.
    """
    return redirect(SIGN_IN_METHODS if _exists(SIGN_IN_METHODS) else url_for("sign_in.index"), 303)


def _exists(path: str) -> bool:
    try:
        current_app.url_map.bind("").match(path, "GET")
    except HTTPException:
        return False
    return True


@blueprint.get("/robots.txt")
@access(anonymous=True, session=False)
def robots_txt() -> Response:
    """Crawlers may ask for everything (RFC 9309): without a session each address behind sign-in leads to that page."""
    return _text("User-agent: *\nDisallow:\n")


def _text(text: str) -> Response:
    return Response(text, content_type="text/plain; charset=utf-8")
