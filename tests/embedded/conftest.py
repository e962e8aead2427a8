"""The sandbox on a real socket, a clock to move, and a small relying party to drive it with."""

import base64
import hashlib
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import BaseServer
from urllib.parse import parse_qs

import html5lib
import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from anuma_dash.embedded.sandbox import create_app
from anuma_dash.embedded.sandbox.serving import build_server
from anuma_dash.embedded.sandbox.settings import Settings

XHTML = "{http://www.w3.org/1999/xhtml}"


class MovableClock:
    """Stands still until told to move; in the past, as Authlib compares hints with the real time."""

    def __init__(self) -> None:
        self.now = datetime(2025, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


class Dashboard(HTTPServer):
    """Something that answers where the dashboard would; keeps the forms posted to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.origin = f"http://localhost:{self.server_port}"
        self.posted: list[dict[str, list[str]]] = []


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Back</title><h1>Back at the dashboard</h1>")

    def do_POST(self) -> None:
        self.server.posted.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Page:
    """An HTML answer, strictly parsed: a parse error is a failure."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.tree = html5lib.HTMLParser(strict=True).parse(response.text)

    def all(self, tag: str) -> list:
        return list(self.tree.iter(XHTML + tag))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.tree.itertext()).split())

    def fields(self, form_number: int = 0) -> dict[str, str]:
        """The hidden fields of a form."""
        inputs = self.all("form")[form_number].iter(XHTML + "input")
        return {field.get("name"): field.get("value") for field in inputs if field.get("type") == "hidden"}


class RelyingParty:
    """One browser and one client at the sandbox. `params` changes or, with None, removes parameters."""

    def __init__(self, settings: Settings, http: httpx.Client) -> None:
        self.settings = settings
        self.issuer = settings.issuer
        self.redirect_uri = settings.redirect_uris[0]
        self.secret = (settings.instance / "sandbox-client-secret").read_text()
        self.http = http
        self.metadata = self.http.get("/.well-known/openid-configuration").json()
        self.verifier = secrets.token_urlsafe(48)

    def request(self, **params: str | None) -> dict[str, str]:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest())
        usual = {
            "client_id": self.settings.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile email",
            "state": "the-state",
            "nonce": "the-nonce",
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        return {name: value for name, value in (usual | params).items() if value is not None}

    def authorize(self, **params: str | None) -> httpx.Response:
        return self.http.get(self.metadata["authorization_endpoint"], params=self.request(**params))

    def choose(self, person: str = "olive", **params: str | None) -> httpx.Response:
        """Open the chooser and press the person's button."""
        page = Page(self.authorize(**params))
        return self.http.post("/authorize", data=page.fields() | {"person": person})

    def newcomer(self, name: str, email: str, **more: str) -> httpx.Response:
        """Open the chooser and send the form for somebody new."""
        page = Page(self.authorize())
        return self.http.post("/authorize", data=page.fields(1) | {"name": name, "email": email} | more)

    def callback(self, response: httpx.Response) -> dict[str, str]:
        """The parameters brought to the registered redirect URI, each given once."""
        assert response.status_code == 303
        address, _, query = response.headers["location"].partition("?")
        assert address == self.redirect_uri
        return {name: value for name, (value,) in parse_qs(query, strict_parsing=True).items()}

    def redeem(self, code: str, auth: tuple[str, str] | None = None, **form: str | None) -> httpx.Response:
        usual = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        data = {name: value for name, value in (usual | form).items() if value is not None}
        credentials = auth or (self.settings.client_id, self.secret)
        return self.http.post(self.metadata["token_endpoint"], data=data, auth=credentials)

    def tokens(self, person: str = "olive", **params: str | None) -> dict[str, str]:
        """Go the whole way."""
        answer = self.redeem(self.callback(self.choose(person, **params))["code"])
        assert answer.status_code == 200
        return answer.json()

    def claims(self, id_token: str) -> dict:
        """Verify the signature against the published keys."""
        keys = KeySet.import_key_set(self.http.get(self.metadata["jwks_uri"]).json())
        return jwt.decode(id_token, keys, algorithms=["ES256"]).claims

    def userinfo(self, access_token: str) -> httpx.Response:
        return self.http.get(self.metadata["userinfo_endpoint"], headers={"Authorization": f"Bearer {access_token}"})


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@contextmanager
def served(server: BaseServer) -> Iterator[None]:
    """Serve in a thread, and leave nothing open."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    server = Dashboard()
    with served(server):
        yield server


@pytest.fixture
def more_settings() -> dict[str, object]:
    """Override it to serve with other settings."""
    return {}


@pytest.fixture
def sandbox(tmp_path, clock, more_settings) -> Iterator[Settings]:
    """The settings of a sandbox that serves on an ephemeral port for this test."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        settings = Settings(environment="test", port=port, instance=tmp_path / "instance", **more_settings)
        server = build_server(create_app(settings, clock), port, fd=listener.fileno())
        with served(server):
            yield settings


@pytest.fixture
def party(sandbox) -> Iterator[RelyingParty]:
    with httpx.Client(base_url=sandbox.issuer, trust_env=False, verify=False) as http:
        yield RelyingParty(sandbox, http)


@pytest.fixture
def read_page():
    """Turn an answer into a strictly parsed Page."""
    return Page


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
