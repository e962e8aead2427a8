"""Sending: one message to the mail server through SMTP.

SMTP cannot be exactly-once: between the server's 250 and our commit lies a moment in which a crash leaves it unknown
whether the message is on its way. The row is marked `sending` right before DATA, after everything that can fail
harmlessly; a row that is found so by a later attempt becomes `unknown` and is not sent again (decision 014). Every
attempt bears the same Message-ID, made of the row's id.
"""

from __future__ import annotations

import json
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog

from anuma_dash import workflows
from anuma_dash.mail.messages import Mail, State, settle
from anuma_dash.settings import Settings
from anuma_dash.vault import Unreadable, Vault
from anuma_dash.workflows import Context, Kind

SENDER_NAME = "Anuma"
TIMEOUT_SECONDS = 10.0
SENDING_LEASE = timedelta(seconds=60)
NOT_ABOUT_THE_MESSAGE = (530, 534, 535, 538)
"""Answers of 5xx that tell of our own configuration (RFC 4954, RFC 3207): the message is tried again."""

log = structlog.get_logger()


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
            settle(row, "unknown", now)
            return None
        if now >= row.expires_at:
            settle(row, "expired", now)
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
    # Whom to trust is read only where that is asked: it takes longer than sending a message.
    server = (
        smtplib.SMTP_SSL(
            parts.hostname, parts.port or 465, own_name, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context()
        )
        if parts.scheme == "smtps"
        else smtplib.SMTP(parts.hostname, parts.port or 587, own_name, timeout=TIMEOUT_SECONDS)
    )
    try:
        if parts.scheme == "smtp" and settings.smtp_needs_tls:
            server.starttls(context=ssl.create_default_context())
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
            settle(row, outcome.state, now)


MAIL = Kind("mail", Mail, send)
