"""Who hears of a recovery, and the letters that tell them."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.domain.owner_recovery.models import OwnerRecovery
from anuma_dash.identity import Account, Membership, Role, User
from anuma_dash.mail import Letter
from anuma_dash.names import fold_address
from anuma_dash.workflows import Context

NOTICE = Letter(
    "owner_recovery_notice",
    "An owner is about to be added to $account",
    "mail/owner_recovery_notice.txt",
    "mail/owner_recovery_notice.html",
)
STOPPED = Letter(
    "owner_recovery_stopped",
    "No owner is added to $account",
    "mail/owner_recovery_stopped.txt",
    "mail/owner_recovery_stopped.html",
)
DONE = Letter(
    "owner_recovery_done",
    "$member is now an owner of $account",
    "mail/owner_recovery_done.txt",
    "mail/owner_recovery_done.html",
)


def stoppers(tx: Session, account: Account) -> list[tuple[User, Role]]:
    """The owners and admins of the account, each with their role: they hear of a recovery, and can stop it."""
    rows = tx.execute(
        select(User, Membership.role)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account.id, Membership.role.in_((Role.OWNER.value, Role.ADMIN.value)))
    )
    return [(user, Role(role)) for user, role in rows]


def known_addresses(tx: Session, account: Account, row: OwnerRecovery) -> set[str]:
    """Every address that is to hear of a recovery: of owners and admins, of the contact, and the new one."""
    emails = [user.email for user, _ in stoppers(tx, account) if mail.reachable(user)]
    candidates = [*emails, account.contact_email, row.new_owner_email]
    return {fold_address(email) for email in candidates if email and mail.mailable(email)}


def tell(
    tx: Session,
    context: Context,
    account: Account,
    row: OwnerRecovery,
    letter: Letter,
    now: datetime,
    **values: str,
) -> int:
    """Write the letter to everybody known to the account. Returns to how many addresses."""
    assert row.effective_at is not None
    filled = {
        "account": account.name,
        "new_owner": row.new_owner_email,
        "reason": row.reason,
        "effective_at": mail.utc_moment(row.effective_at),
        "url": f"{context.settings.public_url}/people",
        "support_email": context.settings.support_email,
        **values,
    }
    addresses = known_addresses(tx, account, row)
    until = max(row.effective_at, now + timedelta(days=3))
    for address in sorted(addresses):
        mail.write_to(tx, context.settings, address, letter, filled, now=now, until=until)
    return len(addresses)
