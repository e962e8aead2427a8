"""What members see at the top of their pages: that a control was switched on; that an owner is about to be added."""

from __future__ import annotations

from flask import request, url_for
from sqlalchemy.orm import Session

from anuma_dash.domain.control_notices import standing_notices
from anuma_dash.domain.controls import CONTROLS
from anuma_dash.domain.owner_recovery import open_recovery
from anuma_dash.features.people.confirmations import members_on_hold
from anuma_dash.identity import Account, Actor, Permission
from anuma_dash.web.banners import Banner, Link
from anuma_dash.web.formats import plural
from anuma_dash.web.state import now

RECOVERY_PAGES = ("people", "account", "overview")
WAITING_PAGES = ("account", "overview")
"""The page of the people itself says more."""


def banners(tx: Session, actor: Actor, account: Account) -> list[Banner]:
    """The banners of this member on this page; staff who look at the account do not get them."""
    if actor.kind != "user" or actor.user_id is None:
        return []
    found = _recovery(tx, actor, account) if request.blueprint in RECOVERY_PAGES else []
    if request.blueprint in WAITING_PAGES and actor.may(Permission.MANAGE_PEOPLE):
        found += _waiting(tx, account)
    for notice in standing_notices(tx, account.id, actor.user_id):
        control = CONTROLS[notice.control]
        found.append(
            Banner(
                "info",
                f"{control.label} was switched on in {account.name}",
                (
                    (
                        f"{notice.switched_on_by} did it. {control.description} The gateway confirmed it; it came into "
                        "effect ",
                        notice.in_effect_at,
                        ".",
                    ),
                ),
                link=Link("Data controls", url_for("data_controls.index")),
                act=Link("Dismiss", url_for("people.create_dismissal", notice_id=notice.id)),
            )
        )
    return found


def _waiting(tx: Session, account: Account) -> list[Banner]:
    count, since = members_on_hold(tx, account.id)
    if since is None:
        return []
    title = f"{plural(count, 'member')} {'waits' if count == 1 else 'wait'} to be confirmed"
    text = ("A backup of this site was restored ", since, ". Whoever waits cannot open the account until you say so.")
    return [Banner("stop", title, (text,), link=Link("People", url_for("people.index")))]


def _recovery(tx: Session, actor: Actor, account: Account) -> list[Banner]:
    row = open_recovery(tx, account.id, now())
    if row is None:
        return []
    stop = None
    if actor.may(Permission.STOP_RECOVERY):
        stop = Link("Stop this", url_for("people.create_recovery_stop", recovery_id=row.id))
    if row.state == "asked":
        text = f"Staff asked for it: “{row.reason}” Two administrators of the service have not approved it yet. Asked "
        title = f"{row.new_owner_email} may become an owner"
        return [Banner("wait", title, ((text, row.asked_at, "."),), act=stop)]
    assert row.effective_at is not None
    text = f"Staff were told: “{row.reason}” Two administrators of the service approved it. It happens "
    return [
        Banner(
            "stop",
            f"{row.new_owner_email} becomes an owner",
            ((text, row.effective_at, ", or when they first sign in after that."),),
            act=stop,
        )
    ]
