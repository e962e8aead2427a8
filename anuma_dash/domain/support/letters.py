"""Mail of support access: somebody asks, somebody is inside, an emergency (rules 2 and 13)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.domain.support.models import SupportGrant, SupportSession
from anuma_dash.identity import Account, Membership, Permission, Role, User, permissions_of
from anuma_dash.mail import Letter
from anuma_dash.settings import Settings

USEFUL_FOR = timedelta(days=1)
SCOPE_WORDS: Mapping[str, str] = {
    "metadata": "metadata (keys without their last characters, requests without content, settings, and the activity)",
    "content": "stored prompts and responses",
    "billing": "costs and billing",
}
ASKED = Letter(
    "support_asked",
    "$staff of Anuma asks to look into $account",
    "mail/support_asked.txt",
    "mail/support_asked.html",
)
STARTED = Letter(
    "support_started",
    "$staff of Anuma began to look into $account",
    "mail/support_started.txt",
    "mail/support_started.html",
)
EMERGENCY = Letter(
    "support_emergency",
    "Emergency access to $account",
    "mail/support_emergency.txt",
    "mail/support_emergency.html",
)


def tell_of_question(
    tx: Session, settings: Settings, account: Account, grant: SupportGrant, staff: str, now: datetime
) -> None:
    """Tell those who decide that a staff member asks; the link leads to the page, and opening it changes nothing."""
    values = {
        "staff": staff,
        "reason": grant.reason,
        "ticket": grant.ticket,
        "scopes": ", ".join(SCOPE_WORDS[scope] for scope in grant.scopes),
        "hours": "1 hour" if grant.hours == 1 else f"{grant.hours} hours",
        "until": mail.utc_moment(grant.answer_until or now),
        "link": f"{settings.public_url}/support-access/requests/{grant.id}",
    }
    _write(tx, settings, account, ASKED, values, now, grant.answer_until or now + USEFUL_FOR)


def tell_of_session(
    tx: Session, settings: Settings, account: Account, session: SupportSession, staff: str, now: datetime
) -> None:
    """Tell those who decide that a staff member is inside, and where to end it."""
    values = {
        "staff": staff,
        "reason": session.reason,
        "ticket": session.ticket,
        "scopes": ", ".join(SCOPE_WORDS[scope] for scope in session.scopes),
        "started_at": mail.utc_moment(session.started_at),
        "until": mail.utc_moment(session.ends_at),
        "link": f"{settings.public_url}/support-access",
    }
    _write(tx, settings, account, STARTED, values, now, now + USEFUL_FOR)


def tell_of_emergency(
    tx: Session, settings: Settings, account: Account, grant: SupportGrant, staff: str, approver: str, now: datetime
) -> None:
    """Tell the owners that staff may look without their grant, who decided that and why."""
    values = {
        "staff": staff,
        "approver": approver,
        "reason": grant.reason,
        "ticket": grant.ticket,
        "until": mail.utc_moment(grant.expires_at or now),
        "link": f"{settings.public_url}/support-access",
    }
    _write(tx, settings, account, EMERGENCY, values, now, now + USEFUL_FOR)


def deciders(tx: Session, account: Account) -> list[tuple[User, Role]]:
    """Who decides on support access, each with their role: to them all of these letters go, as far as mail reaches."""
    members = select(User, Membership.role).join(Membership, Membership.user_id == User.id)
    here = (Membership.account_id == account.id, Membership.on_hold_since.is_(None), User.status == "active")
    rows = tx.execute(members.where(*here).order_by(User.id))
    found = [(user, Role(role)) for user, role in rows]
    return [one for one in found if Permission.MANAGE_SUPPORT_ACCESS in permissions_of(account, one[1])]


def _write(
    tx: Session,
    settings: Settings,
    account: Account,
    letter: Letter,
    values: Mapping[str, str],
    now: datetime,
    until: datetime,
) -> None:
    values = {"account": account.name, "support_email": settings.support_email, **values}
    for user, _ in deciders(tx, account):
        if mail.reachable(user):
            mail.write(tx, settings, user, letter, values, now=now, until=until)
