"""The overview."""

from __future__ import annotations

from typing import Any

from flask import current_app, redirect, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.domain.controls import ControlState
from anuma_dash.domain.members import belongings_of
from anuma_dash.features import attention_hooks
from anuma_dash.features.overview import blueprint, presentation, service
from anuma_dash.gateway.schemas import Overview
from anuma_dash.identity import Permission
from anuma_dash.web import formats
from anuma_dash.web.access import access
from anuma_dash.web.menu import may_open
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page
from anuma_dash.web.snippets import call_snippets
from anuma_dash.web.state import account, actor, now, services, signed_in, viewer


@blueprint.get("/")
@access(anonymous=True, support="read")
def index() -> ResponseReturnValue:
    """Signed out: what this is. Signed in: the overview."""
    found = viewer()
    if found is None:
        return page(
            "sign_in/index.html",
            providers=services().settings.sign_in_providers,
            next_path="/",
            problem="",
            sign_up=services().settings.sign_up,
        )
    greeting = presentation.greeting(now().astimezone(formats.time_zone()), found.user.name)
    if found.account is None and actor().staff_roles:
        return redirect(url_for("staff.index"), 303)
    if found.account is None:
        with services().db.reading() as tx:
            belongings = belongings_of(tx, found.user.id)
        return page("overview/no_account.html", greeting=greeting, belongings=belongings)
    # Staff in a support session are not at home here.
    return _overview(f"Overview of {found.account.name}" if actor().kind == "staff" else greeting)


def _overview(greeting: str) -> ResponseReturnValue:
    found = service.read_overview(services().context, actor(), account().id)
    overview, logging = found.figures, found.logging
    context: dict[str, Any] = {
        "greeting": greeting,
        "overview": overview,
        "problem": gateway_problem(found.failure) if found.failure else "",
        "logging": logging,
        "may_read_requests": actor().may(Permission.READ_REQUESTS),
        "may_make_keys": actor().may(Permission.MAKE_KEYS),
        "controls_url": _url("data_controls.index"),
        "attention": _attention(overview, logging.state),
    }
    if overview is not None and overview.requests_ever == 0:
        context["snippets"] = call_snippets(services().settings.gateway_public_url)
        context["has_chosen"] = logging.known.latest is not None
        context["first_name"] = signed_in().user.name.split()[0]
        return page("overview/first_day.html", **context)
    if overview is not None:
        context["chart"], context["chart_title"], context["chart_unit"], context["peak"] = presentation.spend_chart(
            overview
        )
        context["failed_share"] = presentation.failed_share(overview)
    return page("overview/index.html", **context)


def _attention(overview: Overview | None, logging: ControlState) -> list[tuple[str, str]]:
    found = service.attention(services().context, actor(), account().id, logging)
    if actor().may(Permission.READ_KEYS):
        for hook in attention_hooks():
            found += hook(services().db, services().clock, account().id, overview)
    return [(item.phrase, _url(item.endpoint, **item.arguments)) for item in found if may_open(item.endpoint)]


def _url(endpoint: str, **arguments: Any) -> str:
    """The address of another feature's page; "" while that feature is not there."""
    return url_for(endpoint, **arguments) if endpoint in current_app.view_functions else ""
