"""Getting into an account: asking its owner, an emergency, and opening a support session under a live grant."""

from __future__ import annotations

from uuid import UUID

from flask import Response, make_response, redirect, url_for
from flask.typing import ResponseReturnValue
from wtforms import Form

from anuma_dash.domain import support
from anuma_dash.domain.support import IDLE, LONGEST_SESSION
from anuma_dash.errors import NotFound
from anuma_dash.features.staff import blueprint, service
from anuma_dash.features.staff.account_page import find_grant
from anuma_dash.features.staff.act_forms import AccessForm, ReasonForm
from anuma_dash.features.staff.acts import Act, act_page, send
from anuma_dash.features.staff.people import ADMINISTRATORS
from anuma_dash.features.staff.reach import unreached_in
from anuma_dash.features.staff.service import SEARCHERS
from anuma_dash.identity import StaffRole
from anuma_dash.web.access import access
from anuma_dash.web.flashes import flash
from anuma_dash.web.limits import limiter
from anuma_dash.web.state import actor, now, services, signed_in
from anuma_dash.web.support import give_cookie

SUPPORT = (StaffRole.SUPPORT,)


def account_act(
    account_id: UUID, title: str, submit: str, points: list[str], act: str, form: type[Form], *, danger: bool = False
) -> Act:
    """An act on an account, whose page is one below the account's. Raises `NotFound`."""
    account = service.find_seen(services().context, actor(), account_id)
    back = url_for("staff.show_account", account_id=account_id)
    return Act(
        title=f"{title} {account.name}",
        submit=submit,
        points=points,
        action=url_for(f"staff.create_{act}", account_id=account_id),
        back=back,
        crumbs=[("Accounts", url_for("staff.accounts")), (account.name, back), (submit, None)],
        form=form,
        danger=danger,
    )


def _request(account_id: UUID) -> Act:
    points = [
        "Owners and admins of the account get a mail with your name and your reason, and decide.",
        *unreached_in(services().context, account_id, support.deciders),
        "You see metadata: keys without their last characters, requests without content, settings, and the activity.",
    ]
    return account_act(account_id, "Ask to look into", "Ask for access", points, "request", AccessForm)


@blueprint.get("/staff/accounts/<uuid:account_id>/request")
@access(staff=SUPPORT)
def new_request(account_id: UUID) -> ResponseReturnValue:
    """What to ask the customer for."""
    return act_page(_request(account_id))


@blueprint.post("/staff/accounts/<uuid:account_id>/request")
@access(staff=SUPPORT)
@limiter.limit("30 per minute")
def create_request(account_id: UUID) -> ResponseReturnValue:
    """Ask the customer to be let in."""

    def ask(form: Form) -> str:
        assert isinstance(form, AccessForm)
        support.ask_for_access(
            services().context,
            actor(),
            account_id,
            scopes=form.scopes,
            hours=int(form.hours.data),
            reason=form.reason.data or "",
            ticket=form.ticket.data or "",
        )
        missing = unreached_in(services().context, account_id, support.deciders)
        return " ".join(
            ["The customer has been asked. By this request nothing can be seen before they approve.", *missing]
        )

    return send(_request(account_id), ask)


def _emergency(account_id: UUID) -> Act:
    points = [
        f"For metadata only, and for {support.EMERGENCY_HOURS} hours, when a second administrator has approved it.",
        "Owners and admins get a mail at that moment, with both names and the reason, and can end it.",
        *unreached_in(services().context, account_id, support.deciders),
    ]
    return account_act(
        account_id, "Emergency access to", "Ask for emergency access", points, "emergency", ReasonForm, danger=True
    )


@blueprint.get("/staff/accounts/<uuid:account_id>/emergency")
@access(staff=ADMINISTRATORS, reauth=True)
def new_emergency(account_id: UUID) -> ResponseReturnValue:
    """What emergency access is."""
    return act_page(_emergency(account_id))


@blueprint.post("/staff/accounts/<uuid:account_id>/emergency")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_emergency(account_id: UUID) -> ResponseReturnValue:
    """Ask a second administrator."""

    def ask(form: Form) -> str:
        words = {"reason": form["reason"].data, "ticket": form["ticket"].data}
        support.ask_for_emergency(services().context, actor(), account_id, **words)
        return "Another administrator has to approve it, under Approvals."

    return send(_emergency(account_id), ask)


def _session(grant_id: UUID) -> Act:
    grant, account = find_grant(services().context, actor(), grant_id)
    back = url_for("staff.show_account", account_id=account.id)
    return Act(
        title=f"Look into {account.name}",
        submit="Open the support session",
        points=[
            f"For {_minutes(LONGEST_SESSION)} minutes at most, {_minutes(IDLE)} without a click. You see "
            f"{', '.join(grant.scopes)}, and change nothing.",
            "Owners and admins get a mail now, and see each page that you open. They can end it at any moment; so can "
            "you, with Stop.",
            *unreached_in(services().context, account.id, support.deciders),
        ],
        action=url_for("staff.create_session", grant_id=grant_id),
        back=back,
        crumbs=[("Accounts", url_for("staff.accounts")), (account.name, back), ("Look", None)],
        form=ReasonForm,
    )


def _minutes(span: object) -> int:
    return int(span.total_seconds() // 60)  # type: ignore[attr-defined]


@blueprint.get("/staff/grants/<uuid:grant_id>/session")
@access(staff=SEARCHERS, reauth=True)
def new_session(grant_id: UUID) -> ResponseReturnValue:
    """What looking into the account means."""
    grant, _ = find_grant(services().context, actor(), grant_id)
    if not grant.live(now()):
        raise NotFound("This support access is not live, so nobody gets in by it.")
    return act_page(_session(grant_id))


@blueprint.post("/staff/grants/<uuid:grant_id>/session")
@access(staff=SEARCHERS, reauth=True)
@limiter.limit("30 per minute")
def create_session(grant_id: UUID) -> ResponseReturnValue:
    """Open the support session, and go into the account."""
    opened: list[str] = []

    def look(form: Form) -> str:
        words = {"reason": form["reason"].data, "ticket": form["ticket"].data}
        _, token = support.open_support_session(services().context, actor(), signed_in().session.id, grant_id, **words)
        opened.append(token)
        return "You are inside the account. Stop, on top, leads back."

    response: Response = make_response(send(_session(grant_id), look, goal="/"))
    for token in opened:
        give_cookie(response, token)
    return response


@blueprint.post("/staff/sessions/<uuid:session_id>/stop")
@access(staff=SEARCHERS)
def create_session_stop(session_id: UUID) -> ResponseReturnValue:
    """End a support session of one's own from outside: its browser has lost it."""
    support.stop_support_session(services().context, actor(), session_id)
    flash("ok", "The support session is over.")
    return redirect(url_for("staff.index"), 303)
