"""`python -m anuma_dash.embedded.sandbox`: serve the sandbox until told to stop."""

import os
import signal
import socket
import sys
import threading
from types import FrameType

import structlog
from pydantic import ValidationError
from werkzeug.serving import BaseWSGIServer

from anuma_dash.embedded.sandbox import create_app
from anuma_dash.embedded.sandbox.mailbox import HOST, MailServer
from anuma_dash.embedded.sandbox.secret_files import UnsafeSecretFile
from anuma_dash.embedded.sandbox.serving import build_server
from anuma_dash.embedded.sandbox.settings import Settings


def _stop_when_told(server: BaseWSGIServer) -> None:
    # A handler that raises can be swallowed by whatever the main thread is in; a thread's `shutdown` cannot.
    def stop(signum: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown, daemon=True).start()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, stop)


def _configure_logs() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ]
    )


def main() -> None:
    """Read the environment, serve. Exits with a message when the settings or a secret file are not safe."""
    _configure_logs()
    try:
        settings = Settings.from_env(os.environ)
        app = create_app(settings)
    except (ValidationError, UnsafeSecretFile) as error:
        sys.exit(f"The sandbox does not start: {error}")
    try:
        listener = socket.create_server((HOST, settings.smtp_port))
    except OSError:
        sys.exit(f"The sandbox does not start: port {settings.smtp_port} is taken (ANUMA_SANDBOX_SMTP_PORT).")
    server = build_server(app, settings.port)
    _stop_when_told(server)
    MailServer(app.extensions["mailbox"], listener).start()
    structlog.get_logger("anuma.sandbox").info("sandbox.serving", issuer=settings.issuer)
    try:
        server.serve_forever()
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
