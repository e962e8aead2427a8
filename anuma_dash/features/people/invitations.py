"""Inviting people: a link by e-mail, sent anew, revoked, accepted by the person whose address it was meant for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.audit import Event, record
from anuma_dash.db import new_id, owned
from anuma_dash.domain.acting import acting_now
from anuma_dash.domain.invitations import (
    LIFETIME,
    Invitation,
    InvitationMail,
    find_by_token,
    hash_token,
    may_invite,
    new_token,
    revoke,
    usability,
    withdraw_mail,
)
from anuma_dash.errors import Conflict, Invalid, NotFound
from anuma_dash.features.people.letters import INVITATION
from anuma_dash.features.people.permission_table import role_words
from anuma_dash.features.people.service import require_rule
from anuma_dash.identity import Account, Actor, Membership, Permission, Role, User, lock_account, membership_of
from anuma_dash.mail import Mail
from anuma_dash.names import fold_address
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.workflows import Context

DAY = timedelta(days=1)
MAILS_PER_ACCOUNT = 50
"""Invitations that one account may send in a day."""
MAILS_PER_INVITER = 50
"""Invitations that one person may send in a day, from whatever accounts."""
MAILS_PER_ADDRESS = 5
"""Invitations that one address may be sent in a day, by whatever accounts."""
SHOWN = 100
MISSING = "There is no such invitation."


@dataclass(frozen=True)
class InvitationRow:
    """An invitation as the account sees it. `sending` is the state of its last message, `valid` whether the link works.

    `void` says that who invited may not invite any more.
    """

    invitation: Invitation
    sending: str
    valid: bool
    void: bool


def list_invitations(tx: Session, actor: Actor, account: Account, now: datetime) -> list[InvitationRow]:
    """The invitations that nobody has accepted or revoked, newest first. Raises `NotAllowed`."""
    actor.require(Permission.MANAGE_PEOPLE)
    query = owned(Invitation, account.id).where(Invitation.state == "pending").order_by(Invitation.id.desc())
    return [_row(tx, account, row, now) for row in tx.scalars(query.limit(SHOWN)).all()]


def find_invitation(tx: Session, account_id: UUID, invitation_id: UUID) -> Invitation:
    """An invitation of the account. Raises `NotFound`."""
    row = tx.scalar(owned(Invitation, account_id).where(Invitation.id == invitation_id))
    if row is None:
        raise NotFound(MISSING)
    return row


def show_invitation(tx: Session, account: Account, invitation_id: UUID, now: datetime) -> InvitationRow:
    """One invitation with how it stands. Raises `NotFound`."""
    return _row(tx, account, find_invitation(tx, account.id, invitation_id), now)


def _row(tx: Session, account: Account, row: Invitation, now: datetime) -> InvitationRow:
    sending = tx.scalar(
        select(Mail.state)
        .join(InvitationMail, InvitationMail.mail_id == Mail.id)
        .where(InvitationMail.invitation_id == row.id)
        .order_by(InvitationMail.id.desc())
        .limit(1)
    )
    void = not may_invite(tx, account, row.invited_by, Role(row.role))
    return InvitationRow(row, sending or "sent", usability(tx, row, now).usable, void)


def invite(context: Context, actor: Actor, account_id: UUID, *, email: str, role: Role) -> Invitation:
    """Invite somebody by their address, and have the link sent.

    Raises `NotAllowed`; `Invalid` for addresses that belong to the account, are invited already, or had too much mail.
    """
    now, email = context.clock(), fold_address(email)
    with context.db.transaction(durable=True) as tx:
        account = lock_account(tx, account_id)
        acting = acting_now(tx, actor, account)
        require_rule(acting, role)
        _require_active(account)
        _require_new(tx, account_id, email)
        assert actor.user_id is not None
        token = new_token()
        row = Invitation(
            id=new_id(),
            account_id=account_id,
            email=email,
            role=role.value,
            token_hash=hash_token(token),
            invited_by=actor.user_id,
            invited_by_name=actor.name,
            created_at=now,
            expires_at=now + LIFETIME,
            state="pending",
        )
        tx.add(row)
        tx.flush()
        _send(tx, context, account, row, token, now)
        _note(tx, acting, Event.INVITATION_SENT, row, now)
    return row


def _require_active(account: Account) -> None:
    if account.status != "active":
        raise Conflict(f"The account is {account.status}, so nobody can be invited.")


def _require_new(tx: Session, account_id: UUID, email: str) -> None:
    if not mail.mailable(email):
        raise Invalid("Enter an e-mail address, such as name@example.com.", field="email")
    member = tx.scalar(
        select(User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id, func.lower(User.email) == email, User.email_verified.is_(True))
        .limit(1)
    )
    if member is not None:
        raise Invalid(f"{member} has this address and belongs to the account already.", field="email")
    pending = owned(Invitation, account_id).where(Invitation.email == email, Invitation.state == "pending")
    if tx.scalars(pending.limit(1)).first() is not None:
        raise Invalid("This address is invited already. Open its invitation to send a new link.", field="email")


def _send(tx: Session, context: Context, account: Account, row: Invitation, token: str, now: datetime) -> None:
    sent = select(func.count()).select_from(InvitationMail).where(InvitationMail.created_at > now - DAY)
    if (tx.scalar(sent.where(InvitationMail.account_id == account.id)) or 0) >= MAILS_PER_ACCOUNT:
        raise Invalid(f"{MAILS_PER_ACCOUNT} invitations were sent in the last 24 hours. Go on tomorrow.", field="email")
    by_them = sent.join(Invitation, Invitation.id == InvitationMail.invitation_id)
    if (tx.scalar(by_them.where(Invitation.invited_by == row.invited_by)) or 0) >= MAILS_PER_INVITER:
        raise Invalid(
            f"You sent {MAILS_PER_INVITER} invitations in the last 24 hours, over all your accounts. Go on tomorrow.",
            field="email",
        )
    if (tx.scalar(sent.where(InvitationMail.email == row.email)) or 0) >= MAILS_PER_ADDRESS:
        raise Invalid("This address was sent enough invitations in the last 24 hours.", field="email")
    values = {
        "account": account.name,
        "by": row.invited_by_name,
        "role": row.role,
        "role_words": role_words(account, Role(row.role)),
        "email": row.email,
        "url": f"{context.settings.public_url}/invitations/{token}",
        "expires_at": mail.utc_moment(row.expires_at),
        "support_email": context.settings.support_email,
    }
    message = mail.write_to(tx, context.settings, row.email, INVITATION, values, now=now, until=row.expires_at)
    tx.add(
        InvitationMail(
            id=new_id(),
            account_id=account.id,
            invitation_id=row.id,
            email=row.email,
            mail_id=message.id,
            created_at=now,
        )
    )


def _note(tx: Session, actor: Actor, event: Event, row: Invitation, now: datetime) -> None:
    fields = {"person": row.email, "invitation_id": row.id, "role": row.role}
    record(tx, actor, event, at=now, account_id=row.account_id, **fields)


def renew_invitation(context: Context, actor: Actor, account_id: UUID, invitation_id: UUID) -> Invitation:
    """Send a new link; the old one is dead from now on. The one who renews is the one who invites.

    Raises `NotAllowed`, `NotFound`, `Conflict` if it was accepted or revoked, `Invalid` if that is too much mail.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        account, row, acting = _locked(tx, actor, account_id, invitation_id)
        _require_active(account)
        withdraw_mail(tx, row, now)
        assert actor.user_id is not None
        token = new_token()
        row.token_hash, row.expires_at = hash_token(token), now + LIFETIME
        row.invited_by, row.invited_by_name = actor.user_id, actor.name
        _send(tx, context, account, row, token, now)
        _note(tx, acting, Event.INVITATION_RENEWED, row, now)
    return row


def _locked(tx: Session, actor: Actor, account_id: UUID, invitation_id: UUID) -> tuple[Account, Invitation, Actor]:
    account = lock_account(tx, account_id)
    acting = acting_now(tx, actor, account)
    row = find_invitation(tx, account_id, invitation_id)
    require_rule(acting, Role(row.role))
    if row.state != "pending":
        raise Conflict(f"This invitation was {row.state} already.")
    return account, row, acting


def revoke_invitation(context: Context, actor: Actor, account_id: UUID, invitation_id: UUID) -> Invitation:
    """Make an invitation's link useless. Raises `NotAllowed`, `NotFound`, `Conflict` if that is too late."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        _, row, acting = _locked(tx, actor, account_id, invitation_id)
        withdraw_mail(tx, row, now)
        revoke(tx, acting, row, now)
    return row


def accept_invitation(context: Context, actor: Actor, session_id: UUID, token: str) -> Account:
    """Join the account as the invited person, and look at it from now on. Accepting again changes nothing.

    Raises `NotFound`, and `Conflict` in words if the invitation is of no use to this person.
    """
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        found = find_by_token(tx, token)
        if found is None:
            raise NotFound(MISSING)
        account = lock_account(tx, found.account_id)
        row = tx.get_one(Invitation, found.id, with_for_update=True, populate_existing=True)
        assert actor.user_id is not None
        user = tx.get_one(User, actor.user_id)
        already = membership_of(tx, account.id, user.id)
        if row.state != "accepted" or row.accepted_by != user.id or already is None:
            _require_usable(tx, row, user, already, now)
            _join(tx, actor, account, row, user, now)
        tx.get_one(BrowserSession, session_id).account_id = account.id
    return account


def is_for(row: Invitation, user: User) -> bool:
    """Whether an invitation is this person's: their provider has verified the invited address."""
    return user.email_verified and user.email is not None and fold_address(user.email) == row.email


def _require_usable(tx: Session, row: Invitation, user: User, already: Membership | None, now: datetime) -> None:
    if not is_for(row, user):
        raise Conflict(f"This invitation is for {masked(row.email)}. Sign in with that address to accept it.")
    found = usability(tx, row, now)
    if not found.usable:
        raise Conflict(found.reason)
    if already is not None:
        raise Conflict(f"You belong to this account already, as {already.role}.")


def _join(tx: Session, actor: Actor, account: Account, row: Invitation, user: User, now: datetime) -> None:
    tx.add(Membership(account_id=account.id, user_id=user.id, role=row.role, created_at=now))
    row.state, row.settled_at, row.accepted_by = "accepted", now, user.id
    record(
        tx,
        actor,
        Event.INVITATION_ACCEPTED,
        at=now,
        account_id=account.id,
        inviter=row.invited_by_name,
        invitation_id=row.id,
        role=row.role,
    )


def masked(email: str) -> str:
    """An address that its holder recognizes, and that tells others little: `r…@example.com`."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}…@{domain}"
