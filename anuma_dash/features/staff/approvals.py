"""What needs a second person: emergency access and new owners, for administrators."""

from __future__ import annotations

from uuid import UUID

from flask import url_for
from flask.typing import ResponseReturnValue
from wtforms import Form

from anuma_dash.domain import owner_recovery, support
from anuma_dash.errors import NotFound
from anuma_dash.features.staff import blueprint, waiting
from anuma_dash.features.staff.account_page import find_grant
from anuma_dash.features.staff.act_forms import ConfirmForm
from anuma_dash.features.staff.acts import Act, act_page, send
from anuma_dash.features.staff.people import ADMINISTRATORS
from anuma_dash.features.staff.reach import unreached_in
from anuma_dash.web.access import access
from anuma_dash.web.limits import limiter
from anuma_dash.web.render import page
from anuma_dash.web.state import actor, now, services


@blueprint.get("/staff/approvals")
@access(staff=ADMINISTRATORS)
def approvals() -> ResponseReturnValue:
    """What waits for an approval."""
    found = waiting.read_waiting(services().context, actor())
    return page("staff/approvals.html", waiting=found, user_id=actor().user_id)


def _act(title: str, submit: str, points: list[str], endpoint: str, *, danger: bool = False, **arguments: UUID) -> Act:
    back = url_for("staff.approvals")
    return Act(
        title=title,
        submit=submit,
        points=points,
        action=url_for(endpoint, **arguments),  # type: ignore[arg-type]
        back=back,
        crumbs=[("Approvals", back), (submit, None)],
        form=ConfirmForm,
        danger=danger,
    )


def _emergency_approval(grant_id: UUID) -> Act:
    grant, account = find_grant(services().context, actor(), grant_id, "emergency")
    points = [
        f"Reason: {grant.reason} · ticket {grant.ticket}",
        f"The administrator who asked can look at the metadata of this account for {grant.hours} hours. Owners and "
        "admins of the account get a mail at once, with both names and the reason.",
        *unreached_in(services().context, account.id, support.deciders),
    ]
    title, act = f"Emergency access to {account.name}", "staff.create_emergency_approval"
    return _act(title, "Approve emergency access", points, act, danger=True, grant_id=grant_id)


@blueprint.get("/staff/emergencies/<uuid:grant_id>/approval")
@access(staff=ADMINISTRATORS, reauth=True)
def new_emergency_approval(grant_id: UUID) -> ResponseReturnValue:
    """What approving does."""
    grant, _ = find_grant(services().context, actor(), grant_id, "emergency")
    if not grant.waiting(now()):
        raise NotFound("This request waits for no approval any more.")
    return act_page(_emergency_approval(grant_id))


@blueprint.post("/staff/emergencies/<uuid:grant_id>/approval")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_emergency_approval(grant_id: UUID) -> ResponseReturnValue:
    """Let the administrator in who asked."""

    def approve(_: Form) -> str:
        grant = support.approve_emergency(services().context, actor(), grant_id)
        missing = unreached_in(services().context, grant.account_id, support.deciders)
        return " ".join(["Approved. Owners and admins of the account are written to now.", *missing])

    return send(_emergency_approval(grant_id), approve)


def _recovery_approval(recovery_id: UUID) -> Act:
    row, account = waiting.find_recovery(services().context, actor(), recovery_id)
    points = [
        f"Whoever signs in with the verified address {row.new_owner_email} becomes an owner.",
        f"Asked by {row.asked_by_name}: {row.reason} · ticket {row.ticket}",
        "With the second approval, owners, admins and the contact of the account are written to, and its owners and "
        f"admins can stop it for {services().settings.owner_recovery_delay_hours} hours.",
        *unreached_in(services().context, account.id, owner_recovery.stoppers),
    ]
    title, act = f"A new owner for {account.name}", "staff.create_recovery_approval"
    return _act(title, "Approve the new owner", points, act, danger=True, recovery_id=recovery_id)


@blueprint.get("/staff/recoveries/<uuid:recovery_id>/approval")
@access(staff=ADMINISTRATORS, reauth=True)
def new_recovery_approval(recovery_id: UUID) -> ResponseReturnValue:
    """What approving does."""
    return act_page(_recovery_approval(recovery_id))


@blueprint.post("/staff/recoveries/<uuid:recovery_id>/approval")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_recovery_approval(recovery_id: UUID) -> ResponseReturnValue:
    """Approve a new owner."""

    def approve(_: Form) -> str:
        row = owner_recovery.approve_recovery(services().context, actor(), recovery_id)
        if row.state == "scheduled":
            missing = unreached_in(services().context, row.account_id, owner_recovery.stoppers)
            return " ".join(["Approved by two. Everybody who is known to the account is written to now.", *missing])
        return "Approved. One more administrator has to."

    return send(_recovery_approval(recovery_id), approve)


def _recovery_stop(recovery_id: UUID) -> Act:
    row, account = waiting.find_recovery(services().context, actor(), recovery_id)
    points = [f"Nobody becomes an owner of {account.name} by this. Whoever was written to hears of it."]
    title, act = f"Stop the new owner of {account.name}", "staff.create_recovery_stop"
    return _act(title, "Stop it", points, act, recovery_id=row.id)


@blueprint.get("/staff/recoveries/<uuid:recovery_id>/stop")
@access(staff=ADMINISTRATORS, reauth=True)
def new_recovery_stop(recovery_id: UUID) -> ResponseReturnValue:
    """What stopping does."""
    return act_page(_recovery_stop(recovery_id))


@blueprint.post("/staff/recoveries/<uuid:recovery_id>/stop")
@access(staff=ADMINISTRATORS, reauth=True)
@limiter.limit("30 per minute")
def create_recovery_stop(recovery_id: UUID) -> ResponseReturnValue:
    """Stop a new owner."""

    def stop(_: Form) -> str:
        row, account = waiting.find_recovery(services().context, actor(), recovery_id)
        owner_recovery.stop_recovery(services().context, actor(), account.id, row.id)
        return "It is stopped."

    return send(_recovery_stop(recovery_id), stop)
