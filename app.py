"""The whole thing on one machine: `python app.py` starts gateway, sandbox, worker and dashboard, and stops them all.

`flask --app app ...` finds the application here too.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from honcho.environ import parse_procfile
from honcho.manager import Manager

from anuma_dash import create_app
from anuma_dash.embedded.sandbox.cast import BY_KEY, CAST, STAFF_ROLES
from anuma_dash.migrations import Outdated, migrate
from anuma_dash.settings import Settings

__all__ = ["create_app", "main"]
ROOT = Path(__file__).parent
READY_SECONDS = 60
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def main() -> int:
    """Migrate, start the four processes, say where to go; returns the exit status when they have ended."""
    settings = Settings.from_environment()
    try:
        migrate(settings.database_url)
    except Outdated as error:
        print(error, file=sys.stderr)
        return 1
    environment = os.environ | {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "ANUMA_INSTANCE": str(settings.instance),
        "ANUMA_BIND": _bind(settings.public_url),
        "ANUMA_LOG_LEVEL": os.environ.get("ANUMA_LOG_LEVEL", "WARNING"),
        "ANUMA_GATEWAY_PORT": str(urlsplit(settings.gateway_url).port or 8001),
        "ANUMA_SANDBOX_PORT": str(urlsplit(settings.sign_in_providers[0].issuer).port or 8002),
        "ANUMA_SANDBOX_SMTP_PORT": str(urlsplit(settings.smtp_url).port or 8025),
        "ANUMA_SANDBOX_ISSUER": settings.sign_in_providers[0].issuer,
        "ANUMA_SANDBOX_REDIRECT_URIS": f"{settings.public_url}/sign-in/sandbox/callback",
        "ANUMA_DEVELOPMENT_STAFF": os.environ.get("ANUMA_DEVELOPMENT_STAFF", _sandbox_staff()),
        "ANUMA_SANDBOX_POST_LOGOUT_REDIRECT_URIS": f"{settings.public_url}/signed-out",
    }
    if urlsplit(settings.public_url).hostname in LOOPBACK:  # the sandbox sends to this machine only
        environment["ANUMA_SANDBOX_BACK_CHANNEL_LOGOUT_URI"] = (
            f"{settings.public_url}/sign-in/sandbox/back-channel-logout"
        )
    manager = Manager()
    for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
        manager.add_process(name, command, env=environment, cwd=str(ROOT))
    threading.Thread(target=_welcome, args=(settings,), daemon=True).start()
    manager.loop()
    return manager.returncode or 0


def _sandbox_staff() -> str:
    return ",".join(f"sandbox:{BY_KEY[key].person.subject}={role}" for key, role in STAFF_ROLES.items())


def _bind(public_url: str) -> str:
    return f"127.0.0.1:{urlsplit(public_url).port or 8000}"


def _welcome(settings: Settings) -> None:
    addresses = [
        f"{settings.public_url}/healthz",
        f"{settings.gateway_url}/healthz",
        f"{settings.sign_in_providers[0].issuer}/.well-known/openid-configuration",
    ]
    deadline = time.monotonic() + READY_SECONDS
    while not all(_answers(address) for address in addresses):
        if time.monotonic() > deadline:
            print("Not everything has started. The lines above say why.", file=sys.stderr, flush=True)
            return
        time.sleep(0.2)
    people = "\n".join(f"    {member.person.name:<18} {member.says}" for member in CAST)
    print(
        f"\n  Anuma Dashboard is ready.\n\n"
        f"  Dashboard  {settings.public_url}\n"
        f"  Gateway    {settings.gateway_public_url}\n"
        f"  Sandbox    {settings.sign_in_providers[0].issuer}\n"
        f"  Mailbox    {settings.sign_in_providers[0].issuer}/mailbox\n\n"
        f"  Open the dashboard and sign in with {settings.sign_in_providers[0].label} as one of\n{people}\n"
        f"    or as somebody new.\n\n  Ctrl-C stops everything.\n",
        flush=True,
    )


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as response:  # noqa: S310 - an address of ours
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(main())
