"""The account: its page, changing it, new organizations, closing it and stopping that."""

from __future__ import annotations

from uuid import UUID

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.db import new_id
from anuma_dash.domain import closings
from anuma_dash.errors import Conflict, Invalid
from anuma_dash.features.account import blueprint, service
from anuma_dash.features.account.countries import COUNTRIES
from anuma_dash.features.account.forms import AccountForm, ClosingForm, EditForm, NewOrganizationForm
from anuma_dash.features.account.service import Facts
from anuma_dash.identity import Permission
from anuma_dash.web.access import access, leave_for
from anuma_dash.web.drafts import draft_fields
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import account, actor, now, services, signed_in


@blueprint.get("/account")
@access(Permission.READ_ACCOUNT)
def index() -> ResponseReturnValue:
    """What the account says of itself, and how it stands."""
    with services().db.reading() as tx:
        standing = service.read_account(tx, actor(), account().id)
    return page(
        "account/index.html",
        standing=standing,
        country=COUNTRIES.get(standing.account.country, ""),
        keys_stopped_at=standing.account.keys_stopped_at,
        undo_days=closings.UNDO_DAYS,
        may_change=actor().may(Permission.CHANGE_ACCOUNT),
        may_close=actor().may(Permission.CLOSE_ACCOUNT),
        may_see_deletion=actor().may(Permission.DELETE_CONTENT),
        undoable=standing.closing is not None
        and standing.closing.state == "requested"
        and now() < standing.closing.closes_at,
    )


def _crumbs(label: str) -> list[tuple[str, str | None]]:
    return [("Account", url_for("account.index")), (label, None)]


@blueprint.get("/account/edit")
@access(Permission.CHANGE_ACCOUNT, reauth=True)
def edit() -> ResponseReturnValue:
    """The form of what the account says of itself."""
    return _edit_page(EditForm(draft_fields(), obj=account()))


def _edit_page(form: EditForm, status: int = 200) -> Response:
    if form.revision.errors:
        form.revision.data = str(account().revision)
    return page("account/edit.html", fragment="form", status=status, form=form, breadcrumbs=_crumbs("Change"))


@blueprint.post("/account")
@access(Permission.CHANGE_ACCOUNT, reauth=True)
@limiter.limit("30 per minute")
def update() -> ResponseReturnValue:
    """Change what the account says of itself."""
    form = EditForm(request.form)
    if not form.validate():
        return _edit_page(form, 422)
    revision = int(form.revision.data or 0)
    changed = service.change_account(services().context, actor(), account().id, _facts(form), revision=revision)
    if changed.gateway_synced_at is None:
        flash("wait", "Saved. The gateway does not know the new name yet; it is told again until it does.")
    else:
        flash("ok", "Saved.")
    return leave_for(url_for("account.index"))


def _facts(form: AccountForm) -> Facts:
    return Facts(
        name=form.name.data or "",
        country=form.country.data or "",
        contact_name=form.contact_name.data or "",
        contact_email=form.contact_email.data or "",
    )


@blueprint.get("/organizations/new")
@access()
def new() -> ResponseReturnValue:
    """The form of a new organization."""
    user = signed_in().user
    form = NewOrganizationForm(contact_name=user.name, contact_email=user.email or "")
    return _new_page(form)


def _new_page(form: NewOrganizationForm, status: int = 200) -> Response:
    if form.token.errors or not form.token.data:
        form.token.data = str(new_id())
    return page("account/new.html", fragment="form", status=status, form=form)


@blueprint.post("/organizations")
@access()
@limiter.limit("10 per minute")
def create() -> ResponseReturnValue:
    """Create an organization, and look at it."""
    form = NewOrganizationForm(request.form)
    if not form.validate():
        return _new_page(form, 422)
    try:
        made = service.create_organization(services().context, actor(), UUID(form.token.data), _facts(form))
    except Invalid as error:
        form.name.errors = [str(error)]
        return _new_page(form, 422)
    flash("ok", f"{made.name} is made, and you own it. You are looking at it now.")
    return leave_for("/")


@blueprint.get("/account/closing")
@access(Permission.CLOSE_ACCOUNT, reauth=True)
def new_closing() -> ResponseReturnValue:
    """What closing the account does, in figures."""
    return _closing_page(ClosingForm())


def _closing_page(form: ClosingForm, status: int = 200) -> Response:
    if account().closes_at is not None:
        raise Conflict("This account is being closed already.")
    preview = service.preview_closing(services().context, actor(), account().id)
    return page(
        "account/closing.html",
        fragment="form",
        status=status,
        form=form,
        preview=preview,
        undo_days=closings.UNDO_DAYS,
        detail_days=services().settings.activity_detail_days,
        breadcrumbs=_crumbs("Close"),
    )


@blueprint.post("/account/closing")
@access(Permission.CLOSE_ACCOUNT, reauth=True)
@limiter.limit("10 per minute")
def create_closing() -> ResponseReturnValue:
    """Ask for the account to be closed."""
    form = ClosingForm(request.form)
    if not form.validate():
        return _closing_page(form, 422)
    try:
        closings.request_closing(services().context, actor(), account().id, typed_name=form.name.data or "")
    except Invalid as error:
        form.name.errors = [str(error)]
        return _closing_page(form, 422)
    return leave_for(url_for("account.index"))


@blueprint.post("/account/reopening")
@access(Permission.CLOSE_ACCOUNT)
@limiter.limit("10 per minute")
def create_reopening() -> ResponseReturnValue:
    """Stop the closing of the account."""
    closings.undo_closing(services().context, actor(), account().id)
    flash("ok", "The account is not closed. Its API keys stay deactivated until somebody activates each of them again.")
    return leave_for(url_for("account.index"))
