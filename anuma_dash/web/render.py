"""Drawing pages: the whole page, or the named blocks of it that htmx asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Flask, Response, current_app, make_response, request, url_for
from jinja2 import StrictUndefined
from jinja2_fragments.flask import render_block

from anuma_dash.identity import Account
from anuma_dash.web import assets, banners, cookies, csrf, formats, headers, menu, support
from anuma_dash.web.flashes import take_flashes
from anuma_dash.web.state import actor, services, viewer

THEMES = ("system", "light", "dark")
THEME_COOKIE = "anuma_theme"


def wants_fragment() -> bool:
    """Whether htmx asks for a part of the page: neither boosted, nor the whole body, nor going back in history."""
    sent = request.headers
    return (
        sent.get("HX-Request") == "true"
        and sent.get("HX-Request-Type") == "partial"
        and sent.get("HX-Boosted") != "true"
        and sent.get("HX-History-Restore-Request") != "true"
    )


def page(
    template: str,
    *,
    fragment: str | Sequence[str] | None = None,
    status: int = 200,
    **context: Any,
) -> Response:
    """Draw a template, or only its blocks named by `fragment` if htmx asked for a part.

    Several blocks are drawn one behind the other; those that do not go to the target carry `hx-swap-oob`.
    """
    if fragment is not None and wants_fragment():
        names = [fragment] if isinstance(fragment, str) else fragment
        html = "\n".join(render_block(template, name, **context) for name in names)
    else:
        html = current_app.jinja_env.get_template(template).render(**_with_flask_context(context))
    return make_response(html, status)


def _with_flask_context(context: dict[str, Any]) -> dict[str, Any]:
    values = dict(context)
    current_app.update_template_context(values)
    return values


def install(app: Flask) -> None:
    """Give templates their filters and the context that every page has."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    formats.install(app)
    app.jinja_env.globals["asset"] = assets.url
    app.context_processor(_context)


def _context() -> dict[str, Any]:
    found = viewer()
    return {
        "nonce": headers.nonce(),
        "csrf_token": csrf.token(),
        "product_name": "Anuma",
        "request_path": request.path,
        "theme": theme(),
        "theme_url": url_for("site.theme"),
        "menu": menu.entries() if found and found.account else [],
        "viewer": _viewer_words() if found else None,
        "account": _account_words(found.account) if found and found.account else None,
        "accounts": [_account_words(account) for account, _ in found.accounts] if found else [],
        "account_selection_url": url_for("site.account_selection"),
        "sign_out_url": url_for("sign_in.sign_out"),
        "staff_url": url_for("staff.index") if found and actor().staff_roles else "",
        "support_session": support.banner(),
        "breadcrumbs": [],
        "banners": [] if wants_fragment() else banners.standing(),
        "flashes": take_flashes(),
        "gateway_public_url": services().settings.gateway_public_url,
    }


def _viewer_words() -> dict[str, Any]:
    found = viewer()
    assert found is not None
    return {
        "name": found.user.name,
        "initials": initials(found.user.name),
        "email": found.user.email or "",
        "time_zone": found.user.time_zone,
        "role": found.role or "",
    }


def _account_words(account: Account) -> dict[str, Any]:
    return {
        "id": str(account.id),
        "name": account.name,
        "kind": account.kind,
        "initials": initials(account.name),
        "halt": account.halt,
    }


def initials(name: str) -> str:
    """One or two letters that stand for a name."""
    words = [word for word in name.split() if word[:1].isalnum()]
    letters = [words[0][0], words[-1][0]] if len(words) > 1 else [(words or [name.strip()])[0][:1]]
    return "".join(letters).upper() or "?"


def theme() -> str:
    """The chosen theme: "system" until the person chooses."""
    chosen = cookies.read(THEME_COOKIE)
    return chosen if chosen in THEMES else "system"
