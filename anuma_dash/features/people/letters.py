"""What people are written to about their belonging to an account."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.identity import Account, User
from anuma_dash.mail import Letter
from anuma_dash.settings import Settings

NEWS_LIFETIME = timedelta(days=3)
"""How long news of a change is worth sending."""

INVITATION = Letter("invitation", "$by invites you to $account on Anuma", "mail/invitation.txt", "mail/invitation.html")
ROLE_CHANGED = Letter("role_changed", "You are now $new in $account", "mail/role_changed.txt", "mail/role_changed.html")
MEMBER_REMOVED = Letter(
    "member_removed", "You do not belong to $account any more", "mail/member_removed.txt", "mail/member_removed.html"
)
MEMBER_LEFT = Letter("member_left", "You left $account", "mail/member_left.txt", "mail/member_left.html")
KEYS_HANDED_OVER = Letter(
    "keys_handed_over", "Keys in $account are yours now", "mail/keys_handed_over.txt", "mail/keys_handed_over.html"
)
READING_DECIDED = Letter(
    "reading_decided",
    "Admins of $account $decision stored content",
    "mail/reading_decided.txt",
    "mail/reading_decided.html",
)


def write_to_member(
    tx: Session,
    settings: Settings,
    user: User,
    account: Account,
    letter: Letter,
    values: Mapping[str, str],
    now: datetime,
) -> None:
    """Write to a person about this account, if they can be mailed to."""
    if not mail.reachable(user):
        return
    filled = {
        "account": account.name,
        "url": f"{settings.public_url}/people",
        "support_email": settings.support_email,
        **values,
    }
    mail.write(tx, settings, user, letter, filled, now=now, until=now + NEWS_LIFETIME)
