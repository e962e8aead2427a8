"""`python -m anuma_dash.embedded.gateway` serves; with `openapi` it prints the contract."""

from __future__ import annotations

import logging
import os
import sys

import uvicorn

from .app import create_app
from .environment import SettingsRefused, load_settings
from .logs import ServerLogs
from .migrations import SchemaRefused
from .openapi import contract_yaml
from .stores import DATABASE_ERRORS

_SHUTDOWN_SECONDS = 10


def main(arguments: list[str]) -> int:
    """Run one command. Answers the exit status."""
    if arguments == ["openapi"]:
        sys.stdout.write(contract_yaml())
        return 0
    if arguments:
        sys.stderr.write("usage: python -m anuma_dash.embedded.gateway [openapi]\n")
        return 2
    try:
        settings = load_settings()
    except SettingsRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    try:
        app = create_app(settings)
    except SchemaRefused as refused:
        sys.stderr.write(f"the gateway refuses to start: {refused}\n")
        return 1
    except DATABASE_ERRORS as error:
        sys.stderr.write(f"the gateway cannot start: a database does not answer ({type(error).__name__})\n")
        return 1
    logging.basicConfig(handlers=[ServerLogs(app.gateway.log)], force=True)
    app.gateway.log.info("starting", host=settings.host, port=settings.port)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
