"""Telling an account's members that a control was switched on: by e-mail, and by a banner until each dismisses it.

They are told when the gateway has confirmed it, in the transaction that notes the confirmation; not when it is asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import mail
from anuma_dash.db import Base, Owned, new_id, owned
from anuma_dash.errors import NotFound
from anuma_dash.identity import Account, Actor, Membership, User
from anuma_dash.mail import Letter
from anuma_dash.settings import Settings

MAIL_LIFETIME = timedelta(days=3)
SWITCHED_ON = Letter(
    "control_switched_on",
    "$control was switched on in $account",
    "mail/control_switched_on.txt",
    "mail/control_switched_on.html",
)


class ControlNotice(Owned, Base):
    """That one member is told of one switch-on. The banner stands until `dismissed_at`, or the control is changed."""

    __tablename__ = "control_notices"
    __table_args__ = (UniqueConstraint("change_id", "user_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), index=True)
    change_id: Mapped[UUID] = mapped_column(ForeignKey("control_changes.id"))
    control: Mapped[str] = mapped_column(String(30))
    switched_on_by: Mapped[str] = mapped_column(String(200))
    in_effect_at: Mapped[datetime]
    dismissed_at: Mapped[datetime | None]


def tell_members(
    tx: Session,
    settings: Settings,
    *,
    account_id: UUID,
    change_id: UUID,
    control: str,
    label: str,
    description: str,
    by: str,
    in_effect_at: datetime,
    now: datetime,
) -> None:
    """Write to every member that a control is on, and put up the banner for each.

    `control` is its name, `label` and `description` its words, `by` the person who switched it on.
    """
    withdraw(tx, account_id, control, now)
    account = tx.get_one(Account, account_id)
    members = tx.scalars(
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id, Membership.on_hold_since.is_(None))
    ).all()
    values = {
        "account": account.name,
        "control": label,
        "description": description,
        "by": by,
        "in_effect_at": mail.utc_moment(in_effect_at),
        "url": f"{settings.public_url}/data-controls",
    }
    for user in members:
        tx.add(
            ControlNotice(
                id=new_id(),
                account_id=account_id,
                user_id=user.id,
                change_id=change_id,
                control=control,
                switched_on_by=by,
                in_effect_at=in_effect_at,
            )
        )
        if mail.reachable(user):
            mail.write(tx, settings, user, SWITCHED_ON, values, now=now, until=now + MAIL_LIFETIME)


def withdraw(tx: Session, account_id: UUID, control: str, now: datetime) -> None:
    """Take down the banners about a control: it was changed again, so they are not true any more."""
    tx.execute(
        update(ControlNotice)
        .where(
            ControlNotice.account_id == account_id,
            ControlNotice.control == control,
            ControlNotice.dismissed_at.is_(None),
        )
        .values(dismissed_at=now)
    )


def standing_notices(tx: Session, account_id: UUID, user_id: UUID) -> list[ControlNotice]:
    """What a member was told and has not dismissed, oldest first."""
    query = owned(ControlNotice, account_id).where(
        ControlNotice.user_id == user_id, ControlNotice.dismissed_at.is_(None)
    )
    return list(tx.scalars(query.order_by(ControlNotice.id)))


def dismiss_notice(tx: Session, actor: Actor, account_id: UUID, notice_id: UUID, now: datetime) -> None:
    """Take down a banner for this member alone. Raises `NotFound`; another member's does not exist."""
    notice = tx.scalar(
        owned(ControlNotice, account_id).where(ControlNotice.id == notice_id, ControlNotice.user_id == actor.user_id)
    )
    if notice is None:
        raise NotFound("There is no such notice.")
    notice.dismissed_at = notice.dismissed_at or now
