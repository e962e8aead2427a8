"""Apps: list, new, rename, retire."""

from __future__ import annotations

from uuid import UUID

from flask import Response, redirect, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import new_id
from anuma_dash.errors import SENT_BEFORE, GatewayError, GatewayRefused
from anuma_dash.features.apps import blueprint, service
from anuma_dash.features.apps.forms import AppForm, NewAppForm
from anuma_dash.gateway import schemas
from anuma_dash.identity import Permission
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.listing import PAGE_ROWS, listing, uuid_argument
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, services

ANY_MINUTE = "60 per minute"
UNKNOWN = "Whether it was done is not known. Try again: sending this form twice does it once."


@blueprint.get("/apps")
@access(Permission.READ_KEYS, support="read")
def index() -> ResponseReturnValue:
    """The account's apps, newest first."""
    after, may_manage = uuid_argument("after"), actor().may(Permission.MANAGE_APPS)
    may_see_requests = actor().may(Permission.READ_REQUESTS)
    own = {"may_manage": may_manage, "may_see_requests": may_see_requests}
    try:
        found = services().gateway.apps(actor(), account().id, after=after, limit=PAGE_ROWS)
    except GatewayError as error:
        problem = gateway_problem(error)
        return page("apps/index.html", fragment="app_list", status=503, apps=None, problem=problem, **own)
    rows = listing(found.data, found.next, {})
    return page("apps/index.html", fragment="app_list", apps=rows, problem="", **own)


@blueprint.get("/apps/new")
@access(Permission.MANAGE_APPS)
def new() -> ResponseReturnValue:
    """The form of a new app."""
    form = NewAppForm()
    form.token.data = str(new_id())
    return _new_page(form)


def _new_page(form: NewAppForm, *, status: int = 200, problem: str = "") -> Response:
    crumbs = [("Apps", url_for("apps.index")), ("New app", None)]
    return page("apps/new.html", fragment="form", status=status, form=form, problem=problem, breadcrumbs=crumbs)


@blueprint.post("/apps")
@access(Permission.MANAGE_APPS)
@limiter.limit("30 per minute")
def create() -> ResponseReturnValue:
    """Make an app."""
    form = NewAppForm(request.form)
    if not form.validate():
        if form.token.errors:
            form.token.data = str(new_id())
        return _new_page(form, status=422)
    try:
        made = service.create_app(
            services().context, actor(), account().id, UUID(form.token.data), form.name.data or ""
        )
    except GatewayRefused as error:
        if error.code == SENT_BEFORE:
            raise
        form.token.data = str(new_id())
        return _new_page(form, status=502, problem=f"{gateway_problem(error)} No app was made by this form.")
    except GatewayError as error:
        return _new_page(form, status=503, problem=f"{error} {UNKNOWN}")
    flash("ok", f"The app {made.name} was made. Choose it when you make a key.")
    return leave_for(url_for("apps.index"))


@blueprint.get("/apps/<uuid:app_id>/edit")
@access(Permission.MANAGE_APPS)
def edit(app_id: UUID) -> ResponseReturnValue:
    """The form of another name."""
    app = service.find_app(services().context, actor(), account().id, app_id)
    return _edit_page(app_id, AppForm(data={"name": app.name}))


def _edit_page(app_id: UUID, form: AppForm, *, status: int = 200, problem: str = "") -> Response:
    crumbs = [("Apps", url_for("apps.index")), ("Rename", None)]
    own = {"app_id": app_id, "form": form, "problem": problem, "breadcrumbs": crumbs}
    return page("apps/edit.html", fragment="form", status=status, **own)


@blueprint.post("/apps/<uuid:app_id>")
@access(Permission.MANAGE_APPS)
@limiter.limit(ANY_MINUTE)
def update(app_id: UUID) -> ResponseReturnValue:
    """Give an app another name."""
    form = AppForm(request.form)
    try:
        found = service.find_app(services().context, actor(), account().id, app_id)
    except GatewayError as error:
        return _edit_page(app_id, form, status=503, problem=f"{gateway_problem(error)} The name was not changed.")
    if not form.validate():
        return _edit_page(app_id, form, status=422)
    try:
        app = service.rename_app(services().context, actor(), account().id, found, form.name.data or "")
    except GatewayRefused as error:
        return _edit_page(app_id, form, status=502, problem=f"{gateway_problem(error)} The name was not changed.")
    except GatewayError as error:
        return _edit_page(app_id, form, status=503, problem=f"{error} {UNKNOWN}")
    flash("ok", f"The app is called {app.name}.")
    return leave_for(url_for("apps.index"))


@blueprint.get("/apps/<uuid:app_id>/retirement")
@access(Permission.MANAGE_APPS)
def new_retirement(app_id: UUID) -> ResponseReturnValue:
    """What retiring this app will do, or why it cannot be done."""
    app = service.find_app(services().context, actor(), account().id, app_id)
    return page("apps/retirement.html", app=app, breadcrumbs=_retirement_crumbs(app))


def _retirement_crumbs(app: schemas.App) -> list[tuple[str, str | None]]:
    return [("Apps", url_for("apps.index")), (f"Retire {app.name}", None)]


@blueprint.post("/apps/<uuid:app_id>/retirement")
@access(Permission.MANAGE_APPS)
@limiter.limit(ANY_MINUTE)
def create_retirement(app_id: UUID) -> ResponseReturnValue:
    """Retire an app."""
    app = service.retire_app(services().context, actor(), account().id, app_id)
    flash("ok", f"The app {app.name} is retired. No key can be made in it any more.")
    return redirect(url_for("apps.index"), 303)
