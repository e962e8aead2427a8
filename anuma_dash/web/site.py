"""What belongs to the whole site: the theme, and which account is looked at."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, make_response, redirect, request
from flask.typing import ResponseReturnValue

from anuma_dash.errors import NotFound
from anuma_dash.web import cookies
from anuma_dash.web.access import access, local_path
from anuma_dash.web.render import THEME_COOKIE, THEMES
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.web.state import services, signed_in

blueprint = Blueprint("site", __name__)
YEAR_SECONDS = 365 * 86400


def back(default: str = "/") -> str:
    """The page of ours that a form was sent from."""
    path = "/" + (request.referrer or "").split("://", 1)[-1].partition("/")[2]
    return local_path(path) or default


@blueprint.post("/theme")
@access(anonymous=True)
def theme() -> ResponseReturnValue:
    """Choose light, dark, or what the system says."""
    chosen = request.form.get("theme", "")
    response = make_response(redirect(back(), 303))
    if chosen in THEMES:
        cookies.put(response, THEME_COOKIE, chosen, max_age_seconds=YEAR_SECONDS)
    return response


@blueprint.post("/account/selection")
@access()
def account_selection() -> ResponseReturnValue:
    """Look at another account of mine. One that is not mine does not exist."""
    found = signed_in()
    wanted = request.form.get("account_id", "")
    if wanted not in {str(account.id) for account, _ in found.accounts}:
        raise NotFound("There is no such account.")
    with services().db.transaction() as tx:
        tx.get_one(BrowserSession, found.session.id).account_id = UUID(wanted)
    return redirect("/", 303)
