"""Who may open what: every view carries a rule, and the guard refuses what no rule allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import quote, unquote

from flask import Flask, Response, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.urls import iri_to_uri

from anuma_dash.errors import NotAllowed
from anuma_dash.identity import Account, Actor, Membership, Permission, Role, memberships_of
from anuma_dash.web import cookies, csrf, sessions
from anuma_dash.web.state import Viewer, client_address, now, request_id, services, viewer

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    """What a view asks of its visitor.

    With `permissions`, one of them is needed in the current account. `anonymous` lets everybody in. `reauth` asks for
    a fresh proof of identity. `support` says whether staff in a support session may open it. `writes_on_get` and
    `csrf_exempt` are exceptions, and hold their reason.
    """

    permissions: tuple[Permission, ...] = ()
    anonymous: bool = False
    reauth: bool = False
    support: Literal["read", "never"] = "never"
    writes_on_get: str | None = None
    csrf_exempt: str | None = None
    session: bool = True


def access(*permissions: Permission, **options: Any) -> Callable[[View], View]:
    """Give a view its rule. Without permissions and without `anonymous`, any signed-in person may open it."""
    rule = Rule(permissions=permissions, **options)

    def bind(view: View) -> View:
        view.access_rule = rule  # type: ignore[attr-defined]
        return view

    return bind


def rule_of(app: Flask, endpoint: str) -> Rule | None:
    """The rule of an endpoint's view; None if it has none."""
    return getattr(app.view_functions.get(endpoint), "access_rule", None)


def install(app: Flask) -> None:
    """Put the guard before every view. Call `require_rules` when all views are there."""
    app.before_request(_guard)


def require_rules(app: Flask) -> None:
    """Refuse to start with a view that has no rule."""
    without = sorted(
        {
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if rule.endpoint != "static" and rule_of(app, rule.endpoint) is None
        }
    )
    if without:
        raise RuntimeError(f"views without an access rule: {', '.join(without)}")


def _guard() -> ResponseReturnValue | None:
    g.actor = Actor(kind="anonymous", address=client_address(), request_id=request_id())
    if request.endpoint is None or request.endpoint == "static":
        return None
    rule = rule_of(current_app, request.endpoint)
    if rule is None:
        raise NotAllowed("This page has no access rule, so nobody may open it.")
    if rule.session:
        _load_viewer()
    if request.method not in SAFE_METHODS and rule.csrf_exempt is None:
        if viewer() is None and not rule.anonymous:
            return to_sign_in()
        csrf.check()
    return _refusal(rule)


def _refusal(rule: Rule) -> ResponseReturnValue | None:
    if rule.anonymous:
        return None
    found = viewer()
    if found is None:
        return to_sign_in()
    if rule.permissions:
        g.actor.require(*rule.permissions)
    if rule.reauth and not sessions.recently_authenticated(services().settings, found.session, now()):
        return _to_reauthentication(found)
    return None


def _load_viewer() -> None:
    settings = services().settings
    token = cookies.read(cookies.SESSION)
    if not token:
        return
    with services().db.reading() as tx:
        row = sessions.find_session(tx, settings, token, now())
        if row is None:
            return
        session, user = row
        accounts = memberships_of(tx, user.id)
    account, membership = _current(accounts, session)
    g.viewer = Viewer(session, user, account, membership.role if membership else None, accounts)
    g.actor = Actor(
        kind="user",
        user_id=user.id,
        name=user.name,
        role=Role(membership.role) if membership else None,
        account_id=account.id if account else None,
        session_id=session.id,
        address=client_address(),
        request_id=request_id(),
    )
    sessions.note_seen(services().db, session, now())


def _current(
    accounts: list[tuple[Account, Membership]], session: sessions.BrowserSession
) -> tuple[Account, Membership] | tuple[None, None]:
    for account, membership in accounts:
        if account.id == session.account_id:
            return account, membership
    return accounts[0] if accounts else (None, None)


def set_session_cookie(response: Response, token: str) -> None:
    """Hand the browser its session token."""
    days = services().settings.session_absolute_days
    cookies.put(response, cookies.SESSION, token, max_age_seconds=days * 86400)


def is_htmx() -> bool:
    """Whether htmx sent this request."""
    return request.headers.get("HX-Request") == "true"


def leave_for(url: str) -> ResponseReturnValue:
    """Send the whole browser to another page. htmx would paste a redirect's target into the element it updates."""
    if is_htmx():
        return "", 200, {"HX-Redirect": iri_to_uri(url)}
    return redirect(url, 303)


def to_sign_in() -> ResponseReturnValue:
    """Ask the person to sign in, and to come back where they were."""
    return leave_for(url_for("sign_in.index", next=_here()))


def _here() -> str:
    if request.method in SAFE_METHODS and not is_htmx():
        return request.full_path.rstrip("?")
    current = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    path = "/" + current.split("://", 1)[-1].partition("/")[2]
    return local_path(path) or "/"


def _to_reauthentication(found: Viewer) -> ResponseReturnValue:
    back = _here()
    if request.method not in SAFE_METHODS:
        path = back.partition("?")[0]
        fields = {
            name: values
            for name, values in request.form.to_dict(flat=False).items()
            if name != csrf.FIELD and "secret" not in name and "password" not in name
        }
        with services().db.transaction() as tx:
            draft_id = sessions.keep_draft(tx, found.session.id, path, fields, now())
        back = f"{path}?draft={draft_id}"
    return leave_for(f"{url_for('sign_in.reauthentication')}?next={quote(back, safe='/')}")


def local_path(value: str) -> str | None:
    """The value if it is a path of this site, else None: another host must never be reachable by `next`."""
    decoded = value
    for _ in range(3):
        decoded = unquote(decoded)
    for text in (value, decoded):
        if not text.startswith("/") or text.startswith(("//", "/\\")) or "\\" in text:
            return None
        if any(ord(character) < 32 or ord(character) == 127 for character in text):
            return None
    return value
