"""What administrators may do to an account: suspend it, end that; and ask for a new owner."""

from __future__ import annotations

from uuid import UUID

from flask.typing import ResponseReturnValue
from wtforms import Form

from anuma_dash.domain.owner_recovery import ask_recovery, stoppers
from anuma_dash.domain.suspensions import owners_of, suspend_account, unsuspend_account
from anuma_dash.features.staff import blueprint
from anuma_dash.features.staff.access_acts import account_act
from anuma_dash.features.staff.act_forms import ConfirmForm, RecoveryForm, SuspensionForm
from anuma_dash.features.staff.acts import Act, act_page, send
from anuma_dash.features.staff.people import ADMINISTRATORS
from anuma_dash.features.staff.reach import unreached_in
from anuma_dash.features.staff.service import SEARCHERS
from anuma_dash.web.access import access
from anuma_dash.web.limits import limiter
from anuma_dash.web.state import actor, services

NOT_CONFIRMED = "The gateway has not confirmed it yet; it is told again until it does, and the page says since when."


def _suspension(account_id: UUID) -> Act:
    points = [
        "Every key of the account stops as soon as the gateway confirms. People still sign in, and see their data and "
        "privacy pages, this reason, your name, and where to contest it. Owners get it by mail, too.",
        *unreached_in(services().context, account_id, owners_of),
        "Ending the suspension brings no key back: people activate each of them again.",
    ]
    return account_act(account_id, "Suspend", "Suspend the account", points, "suspension", SuspensionForm, danger=True)


@blueprint.get("/staff/accounts/<uuid:account_id>/suspension")
@access(staff=ADMINISTRATORS, reauth=True)
def new_suspension(account_id: UUID) -> ResponseReturnValue:
    """What suspending does."""
    return act_page(_suspension(account_id))


@blueprint.post("/staff/accounts/<uuid:account_id>/suspension")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_suspension(account_id: UUID) -> ResponseReturnValue:
    """Suspend the account."""

    def suspend(form: Form) -> str:
        account = suspend_account(
            services().context, actor(), account_id, reason=form["reason"].data, contest=form["contest"].data
        )
        if account.gateway_status != account.wanted_status:
            return f"{account.name} is suspended here. {NOT_CONFIRMED} Until then its keys may work."
        return f"{account.name} is suspended. The gateway has confirmed that its keys have stopped."

    return send(_suspension(account_id), suspend)


def _reinstatement(account_id: UUID) -> Act:
    points = [
        "The account can be used again, and its owners get a mail.",
        *unreached_in(services().context, account_id, owners_of),
        "Its keys stay stopped until somebody of the account activates them, one by one.",
    ]
    return account_act(account_id, "End the suspension of", "End the suspension", points, "reinstatement", ConfirmForm)


@blueprint.get("/staff/accounts/<uuid:account_id>/reinstatement")
@access(staff=ADMINISTRATORS, reauth=True)
def new_reinstatement(account_id: UUID) -> ResponseReturnValue:
    """What ending a suspension does."""
    return act_page(_reinstatement(account_id))


@blueprint.post("/staff/accounts/<uuid:account_id>/reinstatement")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_reinstatement(account_id: UUID) -> ResponseReturnValue:
    """End the suspension."""

    def reinstate(_: Form) -> str:
        account = unsuspend_account(services().context, actor(), account_id)
        words = f"{account.name} is suspended no more. Its keys stay stopped."
        return words if account.gateway_status == account.wanted_status else f"{words} {NOT_CONFIRMED}"

    return send(_reinstatement(account_id), reinstate)


def _recovery(account_id: UUID) -> Act:
    points = [
        "For an account whose owners cannot sign in any more. Two administrators approve, neither of them the one who "
        "asks. Then owners, admins and the contact are written to, and owners and admins can stop it for "
        f"{services().settings.owner_recovery_delay_hours} hours.",
        *unreached_in(services().context, account_id, stoppers),
    ]
    return account_act(account_id, "A new owner for", "Ask for a new owner", points, "recovery", RecoveryForm)


@blueprint.get("/staff/accounts/<uuid:account_id>/recovery")
@access(staff=SEARCHERS, reauth=True)
def new_recovery(account_id: UUID) -> ResponseReturnValue:
    """What recovering an owner takes."""
    return act_page(_recovery(account_id))


@blueprint.post("/staff/accounts/<uuid:account_id>/recovery")
@access(staff=SEARCHERS, reauth=True)
@limiter.limit("30 per minute")
def create_recovery(account_id: UUID) -> ResponseReturnValue:
    """Ask for a new owner."""

    def ask(form: Form) -> str:
        words = {name: form[name].data for name in ("new_owner_email", "reason", "ticket")}
        ask_recovery(services().context, actor(), account_id, **words)
        return "Two administrators have to approve it, under Approvals."

    return send(_recovery(account_id), ask)
