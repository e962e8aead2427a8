"""A message to a person who signs in where they have not been for a long time: perhaps it was somebody else."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.domain.data_register import SESSIONS_KEPT
from anuma_dash.identity import User
from anuma_dash.mail import Letter
from anuma_dash.settings import Settings
from anuma_dash.web.sessions import BrowserSession

NEW_DEVICE = Letter(
    "new_device",
    "You signed in to Anuma in $device",
    "mail/new_device.txt",
    "mail/new_device.html",
)
WORTH_SENDING_FOR = timedelta(days=3)


def is_new_device(tx: Session, user: User, device: str, provider: str, now: datetime) -> bool:
    """Whether a person, who is not here for the first time, has not used this device and provider for 90 days.

    Ask before the session is started. People of whom no session is left are here for the first time if they are young
    enough to have one.
    """
    since = now - SESSIONS_KEPT
    mine = BrowserSession.user_id == user.id
    seen = exists().where(
        mine, BrowserSession.device == device, BrowserSession.provider == provider, BrowserSession.last_seen_at > since
    )
    known, sessions = tx.execute(
        select(seen, select(func.count()).select_from(BrowserSession).where(mine).scalar_subquery())
    ).one()
    first_time = sessions == 0 and user.created_at > since
    return not known and not first_time


def write_of_new_device(tx: Session, settings: Settings, user: User, session: BrowserSession, now: datetime) -> None:
    """Write the message, in the transaction of the sign-in; if no mail can be sent, the sign-in goes on without."""
    if not (settings.smtp_url and mail.reachable(user)):
        return
    where = session.address or "an unknown address"
    values = {
        "at": mail.local_moment(now, user),
        "device": session.device,
        "address": f"{where} ({session.place})" if session.place else where,
        "provider": settings.provider_label(session.provider),
        "days": str(SESSIONS_KEPT.days),
        "sessions_url": f"{settings.public_url}/sessions",
        "support_email": settings.support_email,
    }
    mail.write(tx, settings, user, NEW_DEVICE, values, now=now, until=now + WORTH_SENDING_FOR)
