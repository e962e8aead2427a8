"""Mail: messages from templates, kept as durable rows, sent by the worker through SMTP (RFC 5321, RFC 5322).

A message is written in the transaction of what caused it, sealed in the vault, and destroyed when it has been sent or
cannot be sent any more. Nothing says "sent" before the mail server has accepted the message.

SMTP cannot be exactly-once: between the server's 250 and our commit lies a moment in which a crash leaves it unknown
whether the message is on its way. The row is marked `sending` right before DATA, after everything that can fail
harmlessly; a row that is found so by a later attempt becomes `unknown` and is not sent again (decision 014). Every
attempt bears the same Message-ID, made of the row's id.

What a letter's HTML template may use: paragraphs; `<p class="code">` for a code; for facts a table of two columns,
`<table class="facts" role="presentation">`; and a button, `<p><a class="button" href="$url">See it</a></p>`, for which
the text template has `$url` in a line of its own. Nothing is loaded from anywhere and nothing is counted: no image, no
script, no tracking.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Literal, cast
from urllib.parse import unquote, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import CheckConstraint, CursorResult, ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from anuma_dash import workflows
from anuma_dash.db import Base, new_id, unnamed
from anuma_dash.identity import User
from anuma_dash.names import one_line
from anuma_dash.settings import PLAIN_ADDRESS, Settings
from anuma_dash.vault import Sealable, Unreadable, Vault
from anuma_dash.workflows import Context, Durable, Kind

PACKAGE = Path(__file__).parent
SENDER_NAME = "Anuma"
LONGEST_ADDRESS = 254
TIMEOUT_SECONDS = 10.0
SENDING_LEASE = timedelta(seconds=60)
KEPT = timedelta(days=30)
"""For how long the row of a message is kept after it was settled. What it said is destroyed when it is."""
NOT_ABOUT_THE_MESSAGE = (530, 534, 535, 538)
"""Answers of 5xx that tell of our own configuration (RFC 4954, RFC 3207): the message is tried again."""

State = Literal["waiting", "sending", "sent", "refused", "expired", "unknown"]
log = structlog.get_logger()


class Mail(Sealable, Durable, Base):
    """A message to one person. What it says is sealed until it is settled, then destroyed; `expires_at` ends its use.

    `state` is waiting, sending (handed to the mail server at this moment), sent (accepted by it), refused (for good),
    expired (not sent in time, or overtaken by another), unknown (handed over, and the answer was lost).
    """

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sending', 'sent', 'refused', 'expired', 'unknown')", name="state"),
    )

    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"), index=True)
    letter: Mapped[str] = mapped_column(String(40))
    state: Mapped[State] = mapped_column(String(16), default="waiting")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]

    @property
    def secret_owner(self) -> UUID:
        """The person to whom it is sent; the message itself, if it goes to an address that is nobody's here yet."""
        return self.user_id or self.id


@dataclass(frozen=True)
class Letter:
    """A kind of message: its subject, and its two templates, which say the same.

    Subject and templates are filled with the same values (`$name`, `$account`, …). The HTML template is the inside of
    `mail/frame.html`. `why` says at the end of both why one gets it.
    """

    name: str
    subject: str
    text: str
    html: str
    why: str = (
        "This message is about your account or your sign-in at Anuma. It belongs to the service and is sent whatever "
        "other mail you have chosen."
    )


CONFIRMATION_CODE = Letter(
    "confirmation_code",
    "Your confirmation code for Anuma",
    "mail/confirmation_code.txt",
    "mail/confirmation_code.html",
)


def mailable(address: str | None) -> bool:
    """Whether a message can be sent to this address."""
    return address is not None and len(address) <= LONGEST_ADDRESS and PLAIN_ADDRESS.fullmatch(address) is not None


def reachable(user: User) -> bool:
    """Whether a letter may go to a person: it can be sent there, and their provider has verified that it is theirs."""
    return user.email_verified and mailable(user.email)


def write(
    tx: Session,
    settings: Settings,
    user: User,
    letter: Letter,
    values: Mapping[str, str],
    *,
    now: datetime,
    until: datetime,
) -> Mail:
    """Write a message to a person's address, inside the transaction of what caused it; the worker sends it.

    `values` fill the templates, beside `name`. After `until` it is not sent any more. Raises `ValueError` if
    they cannot be reached (ask `reachable` first): nothing goes to an address that a provider merely claims.
    """
    if not reachable(user):
        raise ValueError("this address cannot be mailed to, or is not verified")
    values = {"name": user.name, **values}
    return write_to(tx, settings, str(user.email), letter, values, now=now, until=until, user_id=user.id)


def write_to(
    tx: Session,
    settings: Settings,
    address: str,
    letter: Letter,
    values: Mapping[str, str],
    *,
    now: datetime,
    until: datetime,
    user_id: UUID | None = None,
) -> Mail:
    """Write a message to an address, which may be of somebody who is not known here yet; otherwise like `write`."""
    if not mailable(address):
        raise ValueError("this address cannot be mailed to")
    plain = {name: one_line(value) for name, value in values.items()}
    subject = Template(letter.subject).substitute(plain)
    escaped = {name: escape(value) for name, value in plain.items()}
    inside = _template(letter.html).substitute(escaped)
    content = {
        "to": address,
        "subject": subject,
        "text": f"{_template(letter.text).substitute(plain).rstrip()}\n\n-- \n{letter.why}\n",
        "html": _template("mail/frame.html").substitute(
            subject=escape(subject), inside=inside.rstrip(), why=escape(letter.why)
        ),
    }
    row = Mail(id=new_id(), user_id=user_id, letter=letter.name, state="waiting", created_at=now, expires_at=until)
    row.attempt, row.failures, row.next_try_at = 1, 0, now
    Vault.from_settings(settings).seal(row, json.dumps(content).encode())
    tx.add(row)
    tx.flush()
    return row


def _template(name: str) -> Template:
    # In a wheel the folder lies inside the package; in a checkout, beside it.
    folder = next(one for one in (PACKAGE / "templates", PACKAGE.parent / "templates") if one.is_dir())
    return Template((folder / name).read_text())


def utc_moment(moment: datetime) -> str:
    """A time for readers whose time zones are not known, such as "November 22, 2026, 10:02 UTC"."""
    utc = moment.astimezone(UTC)
    return f"{utc:%B} {utc.day}, {utc:%Y, %H:%M} UTC"


def local_moment(moment: datetime, user: User) -> str:
    """A time in the person's time zone, such as "Nov 22, 2026, 10:02 (Europe/Berlin)"."""
    local = moment.astimezone(ZoneInfo(user.time_zone))
    return f"{local:%b} {local.day}, {local.year}, {local:%H:%M} ({user.time_zone.replace('_', ' ')})"


def forget_settled(tx: Session, now: datetime) -> int:
    """Delete the rows of messages that were settled long ago and that no other table names; returns how many."""
    old = delete(Mail).where(Mail.settled_at < now - KEPT, *unnamed(Mail))
    return cast(CursorResult[Any], tx.execute(old)).rowcount


def withdraw(tx: Session, mail_id: UUID, now: datetime) -> None:
    """Do not send a message that is of no use any more, unless that has begun."""
    row = tx.scalar(select(Mail).where(Mail.id == mail_id).with_for_update())
    if row is not None and row.state == "waiting":
        _settle(row, "expired", now)


def _settle(row: Mail, state: State, now: datetime) -> None:
    row.state, row.settled_at = state, now
    row.empty()
    workflows.finish(row)


@dataclass(frozen=True)
class _Outcome:
    state: State
    failure: str = ""


class _Later(Exception):
    """The message was not handed over; it may be tried again. Says why without naming an address."""


class _Refused(Exception):
    """The mail server will not take this message, ever."""


def send(context: Context, row_id: UUID, attempt: int) -> None:
    """Bring one message to the mail server, if it is still wanted."""
    content = _take(context, row_id, attempt)
    if content is None:
        return
    try:
        with _connection(context.settings) as server:
            message = _message(context.settings, row_id, content, context.clock())
            _give_envelope(server, context.settings.mail_from, content["to"])
            if _mark_sending(context, row_id, attempt):
                _note(context, row_id, attempt, _hand_over(server, message))
    except _Refused as error:
        _note(context, row_id, attempt, _Outcome("refused", str(error)))
    except _Later as error:
        _note(context, row_id, attempt, _Outcome("waiting", str(error)))
    except (OSError, ValueError, smtplib.SMTPException) as error:
        _note(context, row_id, attempt, _Outcome("waiting", f"The mail server cannot be used: {type(error).__name__}."))


def _take(context: Context, row_id: UUID, attempt: int) -> dict[str, str] | None:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, Mail, row_id, attempt)
        if row is None:
            return None
        if row.state == "sending":
            _settle(row, "unknown", now)
            return None
        if now >= row.expires_at:
            _settle(row, "expired", now)
            return None
        try:
            content: dict[str, str] = json.loads(Vault.from_settings(context.settings).open(row))
        except Unreadable as error:
            workflows.retry(row, now, str(error))
            return None
        return content


@contextmanager
def _connection(settings: Settings) -> Iterator[smtplib.SMTP]:
    parts = urlsplit(settings.smtp_url)
    if not parts.hostname:
        raise _Later("No mail server is configured.")
    # Without it, smtplib would ask the network for the name of this machine.
    own_name = settings.host_name
    trust = ssl.create_default_context()
    server = (
        smtplib.SMTP_SSL(parts.hostname, parts.port or 465, own_name, timeout=TIMEOUT_SECONDS, context=trust)
        if parts.scheme == "smtps"
        else smtplib.SMTP(parts.hostname, parts.port or 587, own_name, timeout=TIMEOUT_SECONDS)
    )
    try:
        if parts.scheme == "smtp" and settings.smtp_needs_tls:
            server.starttls(context=trust)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        yield server
    finally:
        with suppress(smtplib.SMTPException, OSError):
            server.quit()
        server.close()


def _message(settings: Settings, row_id: UUID, content: Mapping[str, str], now: datetime) -> bytes:
    plain = content["to"].isascii()
    message = EmailMessage(policy=policy.SMTP if plain else policy.SMTPUTF8)
    message["From"] = f"{SENDER_NAME} <{settings.mail_from}>"
    message["To"] = content["to"]
    message["Subject"] = content["subject"]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{row_id}@{settings.host_name}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(content["text"], cte="quoted-printable")
    message.add_alternative(content["html"], subtype="html", cte="quoted-printable")
    return message.as_bytes()


def _give_envelope(server: smtplib.SMTP, sender: str, recipient: str) -> None:
    server.ehlo_or_helo_if_needed()
    if not recipient.isascii() and not server.has_extn("smtputf8"):
        raise _Refused("The mail server cannot send to such an address.")
    _expect_success(server.mail(sender, () if recipient.isascii() else ("SMTPUTF8",))[0])
    _expect_success(server.rcpt(recipient)[0])


def _expect_success(code: int) -> None:
    # The server's words are left out: they like to repeat the address.
    if code >= 500 and code not in NOT_ABOUT_THE_MESSAGE:
        raise _Refused(f"The mail server refused for good ({code}).")
    if not 200 <= code < 300:
        raise _Later(f"The mail server refused for now ({code}).")


def _hand_over(server: smtplib.SMTP, message: bytes) -> _Outcome:
    try:
        code, _ = server.data(message)
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    except (OSError, smtplib.SMTPException):
        return _Outcome("unknown", "The mail server did not say whether it took the message.")
    try:
        _expect_success(code)
    except _Refused as error:
        return _Outcome("refused", str(error))
    except _Later as error:
        return _Outcome("waiting", str(error))
    return _Outcome("sent")


def _mark_sending(context: Context, row_id: UUID, attempt: int) -> bool:
    now = context.clock()
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, Mail, row_id, attempt)
        if row is None or now >= row.expires_at:
            return False
        row.state, row.next_try_at = "sending", now + SENDING_LEASE
        return True


def _note(context: Context, row_id: UUID, attempt: int, outcome: _Outcome) -> None:
    now = context.clock()
    if outcome.failure:
        log.warning("mail not sent", mail=str(row_id), state=outcome.state, failure=outcome.failure)
    with context.db.transaction(durable=True) as tx:
        row = workflows.claim(tx, Mail, row_id, attempt)
        if row is None:
            return
        if outcome.state == "waiting":
            row.state = "waiting"
            workflows.retry(row, now, outcome.failure)
        else:
            _settle(row, outcome.state, now)


MAIL = Kind("mail", Mail, send)
