"""nginx in front of a running stack, by the very file that is in deploy/, with ports and paths of the test."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.forms import fill
from tests.page import Document
from tests.processes import ROOT, Stack, answers, wait_until

CONFIGURATION = ROOT / "deploy" / "nginx.conf"
API = "api.example"
VISITOR = "127.0.0.2"
"""The address that our visitor comes from: nginx itself comes to the dashboard from 127.0.0.1."""


def find_nginx() -> str:
    """Where nginx is; without it the tests of it are skipped, except in CI, where it is required."""
    path = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        missing = "nginx is not installed (Debian: apt-get install nginx)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    return str(path)


@dataclass
class Front:
    """A running nginx."""

    https: int
    http: int
    tls: ssl.SSLContext

    def client(self, **options: object) -> httpx.Client:
        """A client that trusts its certificate and comes from an address of its own."""
        transport = httpx.HTTPTransport(verify=self.tls, local_address=VISITOR)
        return httpx.Client(transport=transport, timeout=20, trust_env=False, **options)  # type: ignore[arg-type]


@contextmanager
def nginx(product: Stack, folder: Path, https: int, http: int) -> Iterator[Front]:
    """Run nginx in front of this stack."""
    binary, main = find_nginx(), folder / "nginx.conf"
    make_certificate(folder)
    (folder / "anuma.conf").write_text(_adapted(product, folder, https, http))
    user = "user root;\n" if os.geteuid() == 0 else ""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    main.write_text(
        f"{user}worker_processes 1;\npid {folder / 'nginx.pid'};\ndaemon off;\nevents {{}}\n"
        f"http {{\n{paths}include {folder / 'anuma.conf'};\n}}\n"
    )
    command = [binary, "-e", str(folder / "nginx-error.log"), "-c", str(main)]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=30, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "[warn]" not in tested.stderr, tested.stderr
    running = subprocess.Popen(command)
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{http}/", status=308), "nginx answers")
        yield Front(https, http, ssl.create_default_context(cafile=str(folder / "fullchain.pem")))
    finally:
        running.terminate()
        running.wait(60)


def _adapted(product: Stack, folder: Path, https: int, http: int) -> str:
    text = CONFIGURATION.read_text()
    for found, ours in {
        "127.0.0.1:8000": f"127.0.0.1:{product.dashboard.rpartition(':')[2]}",
        "127.0.0.1:8001": f"127.0.0.1:{product.gateway.rpartition(':')[2]}",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "listen 443 ": f"listen 127.0.0.1:{https} ",
        "dashboard.example": "localhost",
        "/etc/ssl/anuma": str(folder),
        "/srv/anuma/static": str(ROOT / "static"),
    }.items():
        assert found in text, f"{CONFIGURATION.name} has no {found}"
        text = text.replace(found, ours)
    return text


def make_certificate(folder: Path) -> None:
    """A certificate of localhost that nobody knows: `fullchain.pem` and `privkey.pem` in this folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.DNSName(API), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


class Visitor:
    """Somebody with a browser, over real TLS: follows links and presses buttons."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.page = Document("<!doctype html><title>x</title><h1>x</h1>")
        self.answer: httpx.Response

    def visit(self, url: str) -> Visitor:
        """Open an address."""
        return self._show(self._http.get(url))

    def press(self, button: str, **fields: bool | str) -> Visitor:
        """Send the form that has this button."""
        filled = fill(self.page, button, dict(fields))
        url = self.answer.url.join(filled.action)
        origin = f"{url.scheme}://{url.netloc.decode()}"
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        return self._show(self._http.post(url, data=dict(filled.fields), headers=headers))

    def _show(self, answer: httpx.Response) -> Visitor:
        self.answer = answer
        self.page = Document(answer.text)
        return self
