"""`python -m anuma_dash.embedded.gateway` serves; its other commands are in `_COMMANDS` and `CONTRACTS`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Final

import uvicorn

from .app import create_app
from .core import Gateway
from .encryption import KeysMissing, Unreadable
from .environment import SettingsRefused, load_settings
from .holds import HoldsUnreadable
from .identifiers import utc_now
from .journal import JournalRefused
from .kms import KmsRefused, key_management
from .logs import ServerLogs
from .migrations import SchemaRefused, migrate
from .openapi import CONTRACTS, contract_yaml
from .replay import prepare
from .rewrapping import rewrap
from .settings import Settings
from .stores import DATABASE_ERRORS

_SHUTDOWN_SECONDS = 10


def main(arguments: list[str]) -> int:
    """Run one command. Answers the exit status."""
    if len(arguments) == 1 and arguments[0] in CONTRACTS:
        sys.stdout.write(contract_yaml(CONTRACTS[arguments[0]]()))
        return 0
    command = _COMMANDS.get(" ".join(arguments))
    if command is None:
        names = " | ".join(sorted([*CONTRACTS, *filter(None, _COMMANDS)]))
        sys.stderr.write(f"usage: python -m anuma_dash.embedded.gateway [{names}]\n")
        return 2
    try:
        return command(load_settings())
    except SettingsRefused as refused:
        sys.stderr.write(f"{refused}\n")
    except (SchemaRefused, JournalRefused, KeysMissing, KmsRefused, HoldsUnreadable) as refused:
        sys.stderr.write(f"the gateway refuses to start: {refused}\n")
    except Unreadable:
        sys.stderr.write("a data key does not open under any configured key-encryption key; nothing more was done\n")
    except DATABASE_ERRORS as error:
        sys.stderr.write(f"the gateway cannot start: a database does not answer ({type(error).__name__})\n")
    return 1


def _serve(settings: Settings) -> int:
    app = create_app(settings)
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


def _rewrap(settings: Settings) -> int:
    migrate(settings)
    rewrap(settings)
    first = key_management(settings).current
    sys.stdout.write(f"Every data key is wrapped by {first}. Other key-encryption keys may go.\n")
    return 0


def _new_journal(settings: Settings) -> int:
    migrate(settings)
    gateway = Gateway(settings, utc_now)
    try:
        prepare(gateway, begin_anew=True)
    finally:
        gateway.release()
    sys.stdout.write(
        "Began a journal with what the databases know. Save the databases now: an earlier backup may be refused.\n"
    )
    return 0


_COMMANDS: Final[Mapping[str, Callable[[Settings], int]]] = {
    "": _serve,
    "rewrap": _rewrap,
    "new-journal": _new_journal,
}


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
