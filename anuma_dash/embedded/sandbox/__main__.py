"""`python -m anuma_dash.embedded.sandbox`: serve the sandbox until told to stop."""

import os
import signal
import sys
from types import FrameType

import structlog
from pydantic import ValidationError

from anuma_dash.embedded.sandbox import create_app
from anuma_dash.embedded.sandbox.secret_files import UnsafeSecretFile
from anuma_dash.embedded.sandbox.serving import build_server
from anuma_dash.embedded.sandbox.settings import Settings


def _stop(signum: int, frame: FrameType | None) -> None:
    sys.exit(0)


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
    server = build_server(app, settings.port)
    signal.signal(signal.SIGTERM, _stop)
    structlog.get_logger("anuma.sandbox").info("sandbox.serving", issuer=settings.issuer)
    try:
        server.serve_forever()
    finally:
        server.server_close()


if __name__ == "__main__":
    main()
