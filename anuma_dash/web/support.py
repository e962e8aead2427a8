"""A support session in the browser: a cookie of its own beside the staff member's, checked anew on every request.

While it is live, every page is drawn inside the customer's account, for reading only; each page is recorded before it
is drawn. PRODUCT.md *Support access* is the source of the rules that are named here by number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, current_app, g, redirect, request
from flask.typing import ResponseReturnValue

from anuma_dash.db import LOOKING_ONLY, looking_only
from anuma_dash.domain import support
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.errors import NotAllowed, SupportSessionOver
from anuma_dash.identity import WORKER, Account, find_account
from anuma_dash.web import cookies
from anuma_dash.web.state import Viewer, actor, now, services, viewer

if TYPE_CHECKING:
    from anuma_dash.web.access import Rule

COOKIE = "anuma_support"
HEADER = "X-Anuma-Support-Session"
STAFF_SECTION = "/staff"
STOP = "/support-access/stop"
READING = ("GET", "HEAD")
LONGEST_PATH = 200


@dataclass(frozen=True)
class Inside:
    """The support session of this request: its row, its grant, and the account that is looked into."""

    session: SupportSession
    grant: SupportGrant
    account: Account


def install(app: Flask) -> None:
    """Mark what is answered in a support session, and let nothing of it outlive the request."""
    app.after_request(_mark)
    app.teardown_request(_let_go)


def give_cookie(response: Response, token: str) -> None:
    """Hand the browser the token of a support session that was just opened."""
    cookies.put(response, COOKIE, token, max_age_seconds=int(support.LONGEST_SESSION.total_seconds()))


def presented() -> bool:
    """Whether the browser brings a support session."""
    return bool(cookies.read(COOKIE))


def look(rule: Rule | None) -> ResponseReturnValue | None:
    """Enter the support session that the browser brings, if it does; `rule` is that of the view, if there is one.

    Raises `SupportSessionOver`, and `NotAllowed` for whatever is no page for reading.
    """
    if not presented():
        g.support_known = True
        return None
    present, found = actor(), _find()
    g.support_known = True
    if found is None:
        g.support_forgotten = True
        return None
    inside, over = found
    stops = rule is not None and rule.support == "stop"
    if over is not None:
        _end(inside, over)
        # The session had to end anyway, so this takes no form token: whoever is signed out has none (rule 14).
        return leave() if stops else _say_over(inside, over)
    if stops:
        g.support = inside
        return None
    _enter(inside)
    if rule is None:
        return None
    if rule.support != "read" or request.method not in READING:
        raise NotAllowed(f"{LOOKING_ONLY} This is no page for looking.")
    if rule.permissions:
        actor().require(*rule.permissions)
    _, _, over = support.note_page(services().context, present, inside.session.id, page=_label(), path=_path())
    return None if over is None else _say_over(inside, over)


def _find() -> tuple[Inside, str | None] | None:
    with services().db.reading() as tx:
        session = support.find_support_session(tx, cookies.read(COOKIE))
        if session is None:
            return None
        grant = tx.get_one(SupportGrant, session.grant_id)
        over = support.why_over(tx, services().settings, session, actor(), now())
        return Inside(session, grant, find_account(tx, session.account_id)), over


def _end(inside: Inside, why: str) -> None:
    if inside.session.ended_at is not None:
        return
    with services().db.transaction(durable=True) as tx:
        session = tx.get_one(SupportSession, inside.session.id, with_for_update=True)
        support.end_session(tx, WORKER, session, why, now())


def _say_over(inside: Inside, why: str) -> ResponseReturnValue:
    _let_go()
    g.pop("support", None)
    if request.headers.get("HX-Request") == "true":
        # The page that htmx would write into shows the customer's data: it is loaded anew, and then says why.
        return "", 200, {"HX-Refresh": "true"}
    g.support_forgotten = True
    raise SupportSessionOver(
        f"The support session in {inside.account.name} is over: {support.WHY[why]}. Nothing of it is shown any more."
    )


def _enter(inside: Inside) -> None:
    found = viewer()
    assert found is not None, "a live support session has its staff member signed in"
    g.support = inside
    g.viewer = Viewer(found.session, found.user, inside.account, None, [])
    g.actor = support.acting(actor(), inside.session, inside.grant)
    g.looking_only = looking_only.set(True)


def _let_go(_: BaseException | None = None) -> None:
    token = g.pop("looking_only", None)
    if token is not None:
        looking_only.reset(token)


def _label() -> str:
    part = (request.endpoint or "").partition(".")[0]
    labels = {entry.endpoint.partition(".")[0]: entry.label for entry in current_app.extensions["anuma_menu"]}
    return str(labels.get(part, "a page"))


def _path() -> str:
    # Without the query: what somebody searched for is none of the record's business, and might be a secret.
    return request.path[:LONGEST_PATH]


def stop() -> None:
    """Leave the account that this browser is inside of, if it is (rule 14)."""
    with services().db.reading() as tx:
        session = support.find_support_session(tx, cookies.read(COOKIE))
    if session is not None and session.staff_id == actor().user_id:
        support.stop_support_session(services().context, actor(), session.id)


def leave() -> ResponseReturnValue:
    """Back to the staff section, whose guard checks the staff member anew."""
    g.support_forgotten = True
    g.pop("support", None)
    return redirect(STAFF_SECTION, 303)


def banner() -> dict[str, Any] | None:
    """What the bar on top of every page says in a support session (rule 11); None outside of one.

    On an error page that was made before the session could be looked at it says less, but it is there.
    """
    inside: Inside | None = g.get("support")
    if inside is None:
        if g.get("support_known") or not presented():
            return None
        return {"who": "Support session", "what": "its details cannot be read right now", "stop_url": STOP}
    session, who = inside.session, actor()
    hidden = "" if "billing" in session.scopes else " · costs hidden"
    return {
        "who": f"{who.name} of Anuma is looking into {inside.account.name}",
        "what": f"{', '.join(session.scopes)}{hidden} · ticket {session.ticket} · nothing can be changed",
        "seconds_left": max(0, math.ceil((session.ends_at - now()).total_seconds())),
        "ends_at": session.ends_at,
        "stop_url": STOP,
    }


def _mark(response: Response) -> Response:
    inside: Inside | None = g.get("support")
    if inside is not None:
        response.headers[HEADER] = str(inside.session.id)
    if g.get("support_forgotten"):
        cookies.forget(response, COOKIE)
    return response
