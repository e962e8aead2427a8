"""Confirming who one is in a live session, without the provider: by a code at the verified address, or by a passkey.

A code has eight digits, works once, for the session that asked for it, for ten minutes and five tries. Here is its
keyed hash; the code itself is in the sealed message and, once that was sent, nowhere. It never signs anybody in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from anuma_dash import mail
from anuma_dash.audit import Event, record
from anuma_dash.domain import passkeys
from anuma_dash.domain.confirming import may_get_code
from anuma_dash.domain.passkeys import PasskeyChallenge, PasskeyCopied
from anuma_dash.errors import Conflict, PasskeyRefused
from anuma_dash.features.sign_in.models import ConfirmationCode
from anuma_dash.identity import Actor, User
from anuma_dash.mail import Mail
from anuma_dash.settings import Provider, Settings
from anuma_dash.web import sessions
from anuma_dash.web.sessions import BrowserSession
from anuma_dash.workflows import Context

CODE_DIGITS = 8
CODE_LIFETIME = timedelta(minutes=10)
MOST_TRIES = 5
BETWEEN_DIGITS = " \t\r\n\u00a0-\u2010\u2011\u2013"

Verdict = Literal["right", "wrong", "exhausted", "expired", "malformed"]


@dataclass(frozen=True)
class CodeStanding:
    """How the code of a session stands. `mail_state` is that of its message; `settled_at` when that was known."""

    mail_state: mail.State
    settled_at: datetime | None
    failed_before: bool
    expires_at: datetime
    expired: bool
    tries_left: int

    @property
    def usable(self) -> bool:
        """Whether the person may have it, and typing it can still be right."""
        return not self.expired and self.tries_left > 0 and self.mail_state in ("sent", "unknown")

    @property
    def under_way(self) -> bool:
        """Whether its message is still to be sent."""
        return not self.expired and self.mail_state in ("waiting", "sending")


def send_code(
    tx: Session,
    settings: Settings,
    actor: Actor,
    provider: Provider | None,
    session: BrowserSession,
    user: User,
    now: datetime,
) -> None:
    """Make a code and write its message; the one before is worthless from now on. Raises `Conflict`."""
    if not may_get_code(settings, provider, user):
        raise Conflict("No code can be mailed to you.")
    previous = _locked_code(tx, session.id)
    if previous is not None:
        mail.withdraw(tx, previous.mail_id, now)
        tx.delete(previous)
        tx.flush()
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    until = now + CODE_LIFETIME
    values = {
        "code": f"{code[:4]} {code[4:]}",
        "asked_at": _local(now, user),
        "until": _local(until, user),
        "device": session.device,
        "support_email": settings.support_email,
    }
    message = mail.write(tx, settings, user, mail.CONFIRMATION_CODE, values, now=now, until=until)
    row = ConfirmationCode(
        session_id=session.id,
        mail_id=message.id,
        code_hash=_hashes(settings, session.id, code)[0],
        created_at=now,
        expires_at=until,
    )
    try:
        with tx.begin_nested():
            tx.add(row)
    except IntegrityError:
        raise Conflict("A code was asked for in another window at the same moment.") from None
    record(tx, actor, Event.CODE_REQUESTED, at=now, account_id=session.account_id)


def _local(moment: datetime, user: User) -> str:
    return f"{moment.astimezone(ZoneInfo(user.time_zone)):%H:%M} ({user.time_zone.replace('_', ' ')})"


def _hashes(settings: Settings, session_id: UUID, code: str) -> list[str]:
    said = f"confirmation code|{session_id}|{code}".encode()
    return [hmac.new(secret.encode(), said, hashlib.sha256).hexdigest() for secret in settings.session_secrets]


def _locked_code(tx: Session, session_id: UUID) -> ConfirmationCode | None:
    return tx.scalar(select(ConfirmationCode).where(ConfirmationCode.session_id == session_id).with_for_update())


def code_standing(tx: Session, session_id: UUID, now: datetime) -> CodeStanding | None:
    """How the code that this session last asked for stands; None if it asked for none, or has used it."""
    row = tx.execute(
        select(ConfirmationCode, Mail)
        .join(Mail, Mail.id == ConfirmationCode.mail_id)
        .where(ConfirmationCode.session_id == session_id)
    ).first()
    if row is None:
        return None
    code, message = row
    return CodeStanding(
        mail_state=message.state,
        settled_at=message.settled_at,
        failed_before=message.failures > 0,
        expires_at=code.expires_at,
        expired=_is_over(code, now),
        tries_left=max(0, MOST_TRIES - code.failed_tries),
    )


def _is_over(code: ConfirmationCode, now: datetime) -> bool:
    # One from the future is over too: the clock was set back, and it would live for longer than was promised.
    return not code.created_at <= now < code.expires_at


def try_code(
    tx: Session, settings: Settings, actor: Actor, session: BrowserSession, typed: str, now: datetime
) -> Verdict:
    """Compare what was typed with the session's code, and count it. A right code is used up by this."""
    row = _locked_code(tx, session.id)
    digits = "".join(one for one in typed if one not in BETWEEN_DIGITS)
    if row is None or _is_over(row, now):
        return "expired"
    if row.failed_tries >= MOST_TRIES:
        return "exhausted"
    if len(digits) != CODE_DIGITS or not (digits.isascii() and digits.isdigit()):
        return "malformed"
    matches = [hmac.compare_digest(row.code_hash, one) for one in _hashes(settings, session.id, digits)]
    if any(matches):
        tx.delete(row)
        return "right"
    row.failed_tries += 1
    if row.failed_tries < MOST_TRIES:
        return "wrong"
    record(tx, actor, Event.CODE_EXHAUSTED, at=now, account_id=session.account_id, count=row.failed_tries)
    return "exhausted"


def note_presence(
    tx: Session,
    settings: Settings,
    actor: Actor,
    session: BrowserSession,
    method: str,
    now: datetime,
    *,
    authenticated_at: datetime | None = None,
) -> str:
    """Note that the person of a session proved who they are, by default just now; returns the session's new token."""
    record(
        tx,
        actor,
        Event.REAUTHENTICATED,
        at=now,
        account_id=session.account_id,
        provider=settings.provider_label(session.provider),
        method=method,
    )
    return sessions.renew_token(tx, settings, session.id, authenticated_at or now)


def confirm_by_code(context: Context, actor: Actor, session: BrowserSession, typed: str) -> tuple[Verdict, str]:
    """Judge what was typed; with a right code comes the session's new token."""
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        verdict = try_code(tx, context.settings, actor, session, typed, now)
        if verdict != "right":
            return verdict, ""
        return verdict, note_presence(tx, context.settings, actor, session, "a code sent to their address", now)


def confirm_by_passkey(
    context: Context, actor: Actor, session: BrowserSession, ceremony: PasskeyChallenge, answer: str
) -> str:
    """Judge the browser's answer; returns the session's new token. Raises `PasskeyRefused`."""
    now = context.clock()
    try:
        with context.db.transaction(durable=True) as tx:
            passkey = passkeys.confirm(tx, context.settings, session.user_id, ceremony, answer, now)
            return note_presence(tx, context.settings, actor, session, f"the passkey {passkey.name}", now)
    except PasskeyCopied as error:
        with context.db.transaction(durable=True) as tx:
            record(
                tx,
                actor,
                Event.PASSKEY_COPIED,
                at=now,
                account_id=session.account_id,
                name=error.name,
                passkey_id=error.passkey_id,
            )
        raise PasskeyRefused(str(error)) from None
