"""The mailbox: an SMTP server on loopback that delivers to nobody, and pages that show what it took.

Whatever address a message goes to, it ends up here, in memory, and is gone with the process.
"""

import asyncio
import socket
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Blueprint, Flask, Response, abort, current_app, render_template

from anuma_dash.embedded.sandbox.clock import Clock

HOST = "127.0.0.1"
MOST_MESSAGES = 200
LARGEST_MESSAGE_BYTES = 1_000_000
_START_SECONDS = 10
HTML_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""An origin of its own, without scripts and forms (CSP Level 3, 6.3.2); only the message's own style."""

blueprint = Blueprint("mailbox", __name__)


@dataclass(frozen=True)
class Message:
    """One message as it arrived. `recipients` is whom the envelope named."""

    number: int
    at: datetime
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def parsed(self) -> EmailMessage:
        """The message, readable."""
        return message_from_bytes(self.raw, policy=policy.default)

    @property
    def subject(self) -> str:
        """What it is about."""
        return str(self.parsed["Subject"] or "(no subject)")

    @property
    def sender(self) -> str:
        """Whom it says it is from."""
        return str(self.parsed["From"] or "(nobody)")

    def content(self, kind: str) -> str:
        """The part of this kind, "plain" or "html", as text; empty if there is none."""
        part = self.parsed.get_body((kind,))
        return str(part.get_content()) if part is not None else ""


class Mailbox:
    """What arrived, newest first; the oldest makes room. It is also aiosmtpd's handler."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self.messages: deque[Message] = deque(maxlen=MOST_MESSAGES)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a message."""
        content = envelope.content
        raw = content.encode() if isinstance(content, str) else content or b""
        self.take(tuple(envelope.rcpt_tos), raw)
        return "250 Taken; it goes nowhere"

    def take(self, recipients: tuple[str, ...], raw: bytes) -> None:
        """Keep a message."""
        self._count += 1
        self.messages.appendleft(Message(self._count, self._clock(), recipients, raw))

    def find(self, number: int) -> Message | None:
        """The message of this number, if it is still here."""
        return next((one for one in list(self.messages) if one.number == number), None)


class MailServer:
    """Serves a handler by SMTP on a socket that listens already, in a thread of its own."""

    def __init__(self, handler: Any, listener: socket.socket, **options: Any) -> None:
        self._handler = handler
        self._listener = listener
        self._tls = options.pop("ssl_context", None)
        self._options: dict[str, Any] = {
            "hostname": "localhost",
            "data_size_limit": LARGEST_MESSAGE_BYTES,
            "enable_SMTPUTF8": True,
            **options,
        }
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        """Begin to answer. Raises RuntimeError if that fails."""
        self._thread.start()
        if not self._ready.wait(_START_SECONDS):
            raise RuntimeError("the mailbox did not start")

    def stop(self) -> None:
        """Stop answering, and hang up on everybody."""
        if self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        conversations: list[SMTP] = []

        def answer() -> SMTP:
            conversations.append(SMTP(self._handler, loop=self._loop, **self._options))
            return conversations[-1]

        server = await self._loop.create_server(answer, sock=self._listener, ssl=self._tls)
        self._ready.set()
        await self._ended.wait()
        server.close()
        for one in conversations:
            if one.transport is not None:
                one.transport.close()
        await asyncio.sleep(0)


def install(app: Flask, clock: Clock) -> None:
    """Add the mailbox and its pages to the app."""
    app.extensions["mailbox"] = Mailbox(clock)
    app.register_blueprint(blueprint)


def _mailbox() -> Mailbox:
    box: Mailbox = current_app.extensions["mailbox"]
    return box


@blueprint.get("/mailbox")
def index() -> str:
    """Every message, newest first."""
    return render_template("mailbox/index.html", messages=list(_mailbox().messages), most=MOST_MESSAGES)


@blueprint.get("/mailbox/<int:number>")
def show(number: int) -> str:
    """One message: its text, and its HTML as source, which never becomes markup here."""
    return render_template("mailbox/show.html", message=_find(number))


@blueprint.get("/mailbox/<int:number>/html")
def html(number: int) -> Response:
    """One message as a mail program shows it: its HTML alone, which can run, load and send nothing."""
    response = Response(_find(number).content("html"), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = HTML_POLICY
    return response


def _find(number: int) -> Message:
    message = _mailbox().find(number)
    if message is None:
        abort(404)
    return message
