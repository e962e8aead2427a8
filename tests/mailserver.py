"""A real SMTP server for tests: it takes every message, or misbehaves in the way that a test asks for."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from anuma_dash.embedded.sandbox.clock import utc_now
from anuma_dash.embedded.sandbox.mailbox import Mailbox, MailServer, Message

CODE = re.compile(r"^\s+(\d{4} \d{4})\s*$", re.MULTILINE)


class MailboxOfTests(Mailbox):
    """Where mail ends up. `answers` replaces the server's answer to a command: "MAIL", "RCPT", "DATA".

    `before_answer` is called when a message has been taken, before that is said; with `hang_up` it is never said.
    """

    def __init__(self) -> None:
        super().__init__(utc_now)
        self.url = ""
        self.reset()

    def reset(self) -> None:
        """Forget all mail, and behave."""
        self.messages.clear()
        self.answers: dict[str, str] = {}
        self.hang_up = False
        self.before_answer: Callable[[], object] = lambda: None

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if "MAIL" in self.answers:
            return self.answers["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if "DATA" in self.answers:
            return self.answers["DATA"]
        taken = await super().handle_DATA(server, session, envelope)
        self.before_answer()
        if self.hang_up and server.transport is not None:
            server.transport.close()
        return taken

    # Methods, because aiosmtpd reads every attribute of its handler.

    def latest(self) -> Message:
        """The last message."""
        return self.messages[0]

    def code(self) -> str:
        """The code in the last message, as it stands there."""
        (code,) = CODE.findall(self.latest().content("plain"))
        return str(code)


@contextmanager
def mail_server(handler: Mailbox | None = None, **options: Any) -> Iterator[MailboxOfTests]:
    """Serve a mailbox on an ephemeral port; `url` says where. `handler` takes the mail in its place."""
    mailbox = MailboxOfTests()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "smtps" if isinstance(options.get("ssl_context"), ssl.SSLContext) else "smtp"
        mailbox.url = f"{scheme}://localhost:{listener.getsockname()[1]}"
        server = MailServer(handler or mailbox, listener, **options)
        server.start()
        try:
            yield mailbox
        finally:
            server.stop()
