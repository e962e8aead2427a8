"""The staff section: its start page, and finding an account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from anuma_dash.errors import GatewayError
from anuma_dash.features.staff import (
    access_acts,
    activity,
    approvals,
    blueprint,
    people,
    service,
    shell,
    status_acts,
    suspended,
)
from anuma_dash.features.staff.account_page import inside_of, read_account
from anuma_dash.features.staff.forms import SEARCHES, SearchForm
from anuma_dash.features.staff.service import SEARCHERS, Found
from anuma_dash.identity import StaffRole
from anuma_dash.web.access import access
from anuma_dash.web.limits import limiter
from anuma_dash.web.problems import gateway_problem
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, services

__all__ = ["access_acts", "activity", "approvals", "people", "status_acts", "suspended"]
NOTHING = {
    "email": "No member has this verified address, and no account has it as its contact.",
    "name": f"No name among the newest {service.SEARCHED_BY_NAME:,} accounts holds this.",
    "id": "No account has this identifier.",
    "key": "No key ends with these four. Capital and small letters differ.",
}


@blueprint.get("/staff")
@access(staff=tuple(StaffRole))
def index() -> ResponseReturnValue:
    """What somebody is here, and may do."""
    return page(
        "staff/index.html",
        inside=inside_of(services().context, actor()),
        roles=[(role.value, words) for role, words in shell.ROLE_WORDS.items() if role in actor().staff_roles],
    )


@blueprint.get("/staff/accounts")
@access(staff=SEARCHERS)
def accounts() -> ResponseReturnValue:
    """The form that finds an account."""
    return _search_page(SearchForm())


@blueprint.post("/staff/accounts")
@access(staff=SEARCHERS)
@limiter.limit("20 per minute;200 per hour")
def create_search() -> ResponseReturnValue:
    """Look for accounts. Sent as a form, so that no address stands in a URL."""
    form = SearchForm(request.form)
    if not form.validate():
        return _search_page(form, status=422)
    by = form.by.data
    try:
        found = service.search_accounts(services().context, actor(), by, form.term.data or "")
    except GatewayError as error:
        return _search_page(form, status=503, problem=f"{gateway_problem(error)} Keys are known there alone.")
    return _search_page(form, found=found, nothing=NOTHING[by])


def _search_page(
    form: SearchForm, *, status: int = 200, found: Found | None = None, problem: str = "", nothing: str = ""
) -> Response:
    context: dict[str, Any] = {
        "form": form,
        "searches": SEARCHES,
        "found": found,
        "problem": problem,
        "nothing": nothing,
    }
    return page("staff/accounts.html", fragment="search", status=status, **context)


@blueprint.get("/staff/accounts/<uuid:account_id>")
@access(staff=SEARCHERS, writes_on_get="that staff open an account is recorded")
def show_account(account_id: UUID) -> ResponseReturnValue:
    """One account: what staff may see before they are let in, and what they may ask for."""
    found = read_account(services().context, actor(), account_id)
    return page(
        "staff/account.html",
        found=found,
        may_look=StaffRole.SUPPORT in actor().staff_roles,
        administers=StaffRole.ADMINISTRATOR in actor().staff_roles,
        support_access=services().settings.support_access,
        breadcrumbs=[("Accounts", url_for("staff.accounts")), (found.account.name, None)],
    )
