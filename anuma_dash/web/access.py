"""Who may open what: every view carries a rule, and the guard refuses what no rule allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar
from unicodedata import category
from urllib.parse import quote, unquote

from flask import Flask, Request, Response, abort, current_app, g, redirect, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.urls import iri_to_uri

from anuma_dash.errors import Conflict, NotAllowed
from anuma_dash.identity import (
    Account,
    Actor,
    Membership,
    Permission,
    Role,
    StaffRole,
    memberships_of,
    permissions_of,
    staff_roles_of,
)
from anuma_dash.web import cookies, csrf, sessions, support
from anuma_dash.web.state import Viewer, client_address, now, request_id, services, viewer

PAGE_ACCOUNT_HEADER = "X-Anuma-Account"
"""Sent by htmx with every request of a page: the account that the page was drawn for (`layout.html`)."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
MOST_PATH_CHARACTERS = 1000
MOST_DRAFT_CHARACTERS = 50_000
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, lone surrogates, line and paragraph separators (Unicode general categories)."""
SECRET_FIELDS = ("secret", "password", "passphrase", "passcode", "code", "credential")
SECRET_VALUE = re.compile(r"anuma_(live|test)_\w{20}|eyJ[\w-]{10,}\.[\w-]+\.")
"""What an API key or a signed token looks like, in whatever field somebody pasted it."""
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Rule:
    """What a view asks of its visitor.

    With `permissions`, one of them is needed in the current account. With `staff`, one of these staff roles is needed,
    and to everybody else the page does not exist. `anonymous` lets everybody in. `reauth` asks for
    a fresh proof of identity. `support` says whether staff in a support session may open it ("stop" is the one form
    that they may send). `writes_on_get` and `csrf_exempt` are exceptions, and hold their reason.
    """

    permissions: tuple[Permission, ...] = ()
    anonymous: bool = False
    reauth: bool = False
    support: Literal["read", "never", "stop"] = "never"
    writes_on_get: str | None = None
    csrf_exempt: str | None = None
    session: bool = True
    staff: tuple[StaffRole, ...] = ()


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
    support.install(app)


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
    if request.endpoint == "static":
        return None
    if request.endpoint is None:
        return _nowhere()
    rule = rule_of(current_app, request.endpoint)
    if rule is None:
        raise NotAllowed("This page has no access rule, so nobody may open it.")
    if rule.session:
        _load_viewer()
        if (answer := support.look(rule)) is not None:
            return answer
    if rule.staff:
        _enter_staff_section(rule)
    if request.method not in SAFE_METHODS and rule.csrf_exempt is None:
        if viewer() is None and not rule.anonymous:
            return to_sign_in()
        csrf.check(of_account=bool(rule.permissions))
    return _refusal(rule)


def _nowhere() -> ResponseReturnValue | None:
    # An address that nothing serves: in a support session its error page says so, too.
    if support.presented():
        _load_viewer()
        if (answer := support.look(None)) is not None:
            return answer
    # A 405, or a 308 to the address with one slash, would tell a stranger that there is something.
    if f"/{request.path.lstrip('/')}".startswith(support.STAFF_SECTION):
        abort(404)
    return None


def _enter_staff_section(rule: Rule) -> None:
    # Before anything that answers otherwise than a missing page does: signing in, form tokens, limits.
    if not g.actor.staff_roles.intersection(rule.staff):
        abort(404)
    g.actor = replace(g.actor, kind="staff", role=None, account_id=None, permissions=frozenset())


def _check_page() -> None:
    # A tab that was left open in one account must not fill its page with parts of another.
    drawn_for, found = request.headers.get(PAGE_ACCOUNT_HEADER), viewer()
    if not drawn_for or found is None or found.account is None or drawn_for == str(found.account.id):
        return
    names = [account.name for account, _ in found.accounts if str(account.id) == drawn_for]
    page_of = names[0] if names else "another account"
    raise Conflict(f"This page is of {page_of}, and you are now in {found.account.name}. Nothing was done.")


def _refusal(rule: Rule) -> ResponseReturnValue | None:
    if rule.anonymous:
        return None
    found = viewer()
    if found is None:
        return to_sign_in()
    if rule.permissions:
        _check_page()
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
        staff_roles = staff_roles_of(tx, user.id)
    account, membership = _current(accounts, session)
    role = Role(membership.role) if membership else None
    g.viewer = Viewer(session, user, account, role, accounts)
    g.actor = Actor(
        kind="user",
        user_id=user.id,
        name=user.name,
        role=role,
        permissions=permissions_of(account, role) if account and role else None,
        halt=account.halt if account else "",
        staff_roles=staff_roles,
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
    """Hand the browser its session token, to be kept for as long as the session may live at most."""
    with services().db.reading() as tx:
        lifetime = sessions.lifetime(tx, services().settings, token)
    cookies.put(response, cookies.SESSION, token, max_age_seconds=int(lifetime.total_seconds()))


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
    return leave_for(url_for("sign_in.index", next=here()))


def here() -> str:
    """`page_of` this request."""
    return page_of(request)


def page_of(asked: Request) -> str:
    """The page that a person sees: the address asked for, or the one whose form was sent; a path of this site."""
    if asked.method in SAFE_METHODS and asked.headers.get("HX-Request") != "true":
        return local_path(asked.full_path.rstrip("?")) or "/"
    current = asked.headers.get("HX-Current-URL") or asked.headers.get("Referer") or ""
    return local_path("/" + current.split("://", 1)[-1].partition("/")[2]) or "/"


def _to_reauthentication(found: Viewer) -> ResponseReturnValue:
    back = here()
    if request.method not in SAFE_METHODS:
        path = back.partition("?")[0]
        with services().db.transaction() as tx:
            draft_id = sessions.keep_draft(tx, found.session.id, path, _typed(), now())
        back = f"{path}?draft={draft_id}"
    return leave_for(f"{url_for('sign_in.reauthentication')}?next={quote(back, safe='/')}")


def _typed() -> dict[str, list[str]]:
    """The fields of this form that may be kept as a draft: no secret, and nothing at all of an absurdly large form."""
    fields = {
        name: values
        for name, values in request.form.to_dict(flat=False).items()
        if name != csrf.FIELD
        and not any(word in name.lower() for word in SECRET_FIELDS)
        and not any(SECRET_VALUE.search(value) for value in values)
    }
    size = sum(len(name) + sum(map(len, values)) for name, values in fields.items())
    return fields if size <= MOST_DRAFT_CHARACTERS else {}


def local_path(value: str) -> str | None:
    """The value if it is a path of this site, else None: another host must never be reachable by `next`."""
    if len(value) > MOST_PATH_CHARACTERS:
        return None
    decoded = value
    for _ in range(3):
        decoded = unquote(decoded)
    for text in (value, decoded):
        if not text.startswith("/") or text.startswith(("//", "/\\")) or "\\" in text:
            return None
        if any(category(character) in UNPRINTABLE for character in text):
            return None
    return value
