"""Invitations into an account: who is invited as what, under which link, and whether an address is invited at all.

The link's token is 256 bits of chance, and an invitation holds its hash alone. In clear it stands in the message, which
is sealed and is destroyed once it was sent, and in the path to come back to while somebody signs in. An invitation is
of use to the person alone whose address, verified by their identity provider, is the invited one. People are never
found by their address; only invitations are.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import mail
from anuma_dash.audit import AuditDetail, AuditEntry, Event, record
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.identity import Account, Actor, Membership, Permission, Role, User, permissions_of
from anuma_dash.names import fold_address

LIFETIME = timedelta(days=7)


class Invitation(Owned, Base):
    """That somebody with this address may join the account in this role. `state` is pending, accepted or revoked.

    An invitation past `expires_at` is of no use until a new link is sent.
    """

    __tablename__ = "invitations"
    __table_args__ = (CheckConstraint("state IN ('pending', 'accepted', 'revoked')", name="state"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(String(320), index=True)
    role: Mapped[str] = mapped_column(String(16))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    invited_by: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    invited_by_name: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
    accepted_by: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))


class InvitationMail(Owned, Base):
    """One message with a link: what the limits count, and how its sending is known."""

    __tablename__ = "invitation_mails"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    invitation_id: Mapped[UUID] = mapped_column(ForeignKey("invitations.id"), index=True)
    email: Mapped[str] = mapped_column(String(320), index=True)
    mail_id: Mapped[UUID]
    created_at: Mapped[datetime]


def new_token() -> str:
    """A token for a link; the invitation keeps its hash alone."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Under what a token is stored. A token of 256 random bits needs no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_by_token(tx: Session, token: str) -> Invitation | None:
    """The invitation of a link; None for links that were replaced by a newer one, or never were."""
    return tx.scalar(select(Invitation).where(Invitation.token_hash == hash_token(token)))


@dataclass(frozen=True)
class Usability:
    """Whether an invitation can be accepted; else `reason`, a sentence for people."""

    usable: bool
    reason: str = ""


def usability(tx: Session, invitation: Invitation, now: datetime) -> Usability:
    """Whether an invitation can be accepted at this time.

    It ends with the right of the one who invited: who was removed or lost the role invites nobody any more.
    """
    if invitation.state == "accepted":
        return Usability(False, "This invitation has been used already.")
    if invitation.state == "revoked":
        return Usability(False, "This invitation was revoked.")
    if now >= invitation.expires_at:
        return Usability(False, "This invitation has expired. Ask for a new one.")
    account = tx.get_one(Account, invitation.account_id)
    if account.halt:
        return Usability(False, f"The account is {account.halt}, so nobody can join it.")
    if not may_invite(tx, account, invitation.invited_by, Role(invitation.role)):
        return Usability(False, "Who invited you may not invite any more. Ask for a new invitation.")
    return Usability(True)


def may_invite(tx: Session, account: Account, user_id: UUID, role: Role) -> bool:
    """Whether this person may, as things are now, invite others in this role; nobody suspended may."""
    held = tx.scalar(
        select(Membership.role)
        .join(User, User.id == Membership.user_id)
        .where(Membership.account_id == account.id, Membership.user_id == user_id, User.status == "active")
        .where(Membership.on_hold_since.is_(None))
    )
    if held is None:
        return False
    permissions = permissions_of(account, Role(held))
    needed = {Permission.MANAGE_PEOPLE} | ({Permission.MANAGE_OWNERS} if role is Role.OWNER else set())
    return needed <= permissions


def is_invited(tx: Session, email: str, now: datetime) -> bool:
    """Whether an account invites the person with this address right now. The address must be a verified one."""
    pending = tx.scalars(
        select(Invitation).where(
            Invitation.email == fold_address(email), Invitation.state == "pending", Invitation.expires_at > now
        )
    )
    return any(usability(tx, invitation, now).usable for invitation in pending)


def revoke_pending(tx: Session, actor: Actor, account_id: UUID, now: datetime) -> int:
    """Revoke every invitation into an account, whose row is locked; returns how many there were."""
    pending = list(tx.scalars(owned(Invitation, account_id).where(Invitation.state == "pending")))
    for invitation in pending:
        withdraw_mail(tx, invitation, now)
        revoke(tx, actor, invitation, now)
    return len(pending)


def revoke(tx: Session, actor: Actor, invitation: Invitation, now: datetime) -> None:
    """Make an invitation's link useless, and record it."""
    invitation.state, invitation.settled_at = "revoked", now
    fields = {"person": invitation.email, "invitation_id": invitation.id, "role": invitation.role}
    record(tx, actor, Event.INVITATION_REVOKED, at=now, account_id=invitation.account_id, **fields)


def withdraw_mail(tx: Session, invitation: Invitation, now: datetime) -> None:
    """Do not send the messages of an invitation that wait to be sent."""
    for mail_id in tx.scalars(
        select(InvitationMail.mail_id).where(InvitationMail.invitation_id == invitation.id)
    ).all():
        mail.withdraw(tx, mail_id, now)


def forget_address(tx: Session, email: str) -> None:
    """Delete every invitation of an address, and the details of what was recorded about them."""
    for invitation in tx.scalars(select(Invitation).where(Invitation.email == fold_address(email))).all():
        entries = tx.execute(
            select(AuditEntry.id, AuditDetail.body)
            .join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
            .where(AuditEntry.chain == invitation.account_id, AuditEntry.event.startswith("invitation."))
        )
        about = [row.id for row in entries if row.body["fields"].get("invitation_id") == str(invitation.id)]
        tx.execute(delete(AuditDetail).where(AuditDetail.entry_id.in_(about)))
        tx.execute(delete(InvitationMail).where(InvitationMail.invitation_id == invitation.id))
        tx.delete(invitation)
    tx.flush()
