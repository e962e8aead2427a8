"""What lets people in by a restored backup, though it may have been taken away after the backup was made.

Nobody else knows who belongs to an account, so nothing here is taken over from the gateway: what can be asked for
again is ended, and members wait until an owner has confirmed them (decision 041).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.audit import Event, record
from anuma_dash.db import owned
from anuma_dash.domain.invitations import revoke_pending
from anuma_dash.domain.members import members_with
from anuma_dash.domain.owner_recovery import end_open_recovery
from anuma_dash.domain.support import SupportGrant, end_support_access
from anuma_dash.identity import OPERATOR, Account, Membership, Role
from anuma_dash.mail import Letter
from anuma_dash.settings import Settings

MEMBERS_HELD = Letter(
    "members_held",
    "Confirm who belongs to $account",
    "mail/members_held.txt",
    "mail/members_held.html",
)
LETTER_LASTS = timedelta(days=7)
WHY = "a backup of the dashboard was restored"


@dataclass(frozen=True)
class Ended:
    """How many invitations were revoked, and how many members wait for an owner."""

    invitations: int
    held: int


def end_restored_access(tx: Session, settings: Settings, account: Account, now: datetime) -> Ended:
    """End what lets people into an account, whose row is locked, and let every member who is no owner wait.

    Support access and what staff asked for, a recovery of an owner, pending invitations and the owner's leave for
    admins to read are over. Owners are told whom they have to confirm.
    """
    end_support_access(tx, OPERATOR, account.id, now)
    for question in tx.scalars(owned(SupportGrant, account.id).where(SupportGrant.state == "asked")):
        question.state, question.ended_at = "ended", now
    end_open_recovery(tx, account.id, now, WHY)
    revoked = revoke_pending(tx, OPERATOR, account.id, now)
    if account.admins_read_content:
        account.admins_read_content = False
        record(tx, OPERATOR, Event.READING_DECIDED, at=now, account_id=account.id, decision="may not read")
    return Ended(revoked, _hold_members(tx, settings, account, now))


def _hold_members(tx: Session, settings: Settings, account: Account, now: datetime) -> int:
    others = owned(Membership, account.id).where(Membership.role != Role.OWNER.value)
    held = list(tx.scalars(others))
    for membership in held:
        membership.on_hold_since = now
    if not held or account.status == "closed":
        return 0
    record(tx, OPERATOR, Event.MEMBERS_HELD, at=now, account_id=account.id, count=len(held))
    values = {
        "account": account.name,
        "count": "1 person" if len(held) == 1 else f"{len(held)} people",
        "url": f"{settings.public_url}/people",
        "support_email": settings.support_email,
    }
    for owner in members_with(tx, account.id, Role.OWNER):
        if mail.reachable(owner):
            mail.write(tx, settings, owner, MEMBERS_HELD, values, now=now, until=now + LETTER_LASTS)
    return len(held)
