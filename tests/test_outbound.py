"""Requests to addresses that others name: where they may go, and how much of an answer is taken."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from anuma_dash import outbound
from anuma_dash.gateway.deadline import deadline
from anuma_dash.outbound import Answer, Outbound, OutboundError, is_public
from tests.processes import wait_until

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.127.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:100.64.0.1",
    "::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "2001:0:808:808::1",
]
OUTSIDE = ["8.8.8.8", "100.63.255.255", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_of_the_inside_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


class Server:
    """Real sockets that answer each connection with these bytes; `seen` is what came in."""

    def __init__(self, *parts: bytes, pause: float = 0) -> None:
        self.parts, self.pause = parts, pause
        self.seen: list[bytes] = []
        self.closed = threading.Event()
        self._stopped = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def wrap(self, connection):
        return connection

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self._stopped.is_set():
                connection.close()
                return
            with self.wrap(connection) as stream:
                try:
                    self.seen.append(stream.recv(65536))
                    for part in self.parts:
                        stream.sendall(part)
                        if self.pause and self._stopped.wait(self.pause):
                            break
                except OSError:
                    self.closed.set()

    def stop(self):
        self._stopped.set()
        with socket.create_connection(("127.0.0.1", self.port)):
            pass
        self._thread.join(10)
        self._listener.close()


@contextmanager
def serving(*parts, pause=0.0, kind=Server):
    server = kind(*parts, pause=pause)
    try:
        yield server
    finally:
        server.stop()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def ask(server, **options):
    return Outbound(server.origin, **options).send("GET", f"{server.origin}/keys?x=1", {"Accept": "application/json"})


def test_what_the_operator_configured_may_be_inside():
    with serving(OK) as server:
        assert ask(server) == Answer(200, b"{}")
    (request,) = server.seen
    assert request.startswith(b"GET /keys?x=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in request
    assert b"Accept-Encoding: identity" in request


def test_another_port_of_the_same_host_is_not_what_was_configured():
    with serving(OK) as trusted, serving(OK) as other, pytest.raises(OutboundError, match="not public"):
        Outbound(trusted.origin).send("GET", other.origin, {})
    assert other.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://id.example/",
        "file:///etc/passwd",
        "//id.example/",
        "/keys",
        "",
        "http://",
        "http://[::1",
        "http://user@id.example/",
        "http://user:secret@id.example/",
        "http://id.example:99999/",
        "gopher://127.0.0.1:25/",
    ],
)
def test_what_is_no_address_is_not_asked(url):
    with pytest.raises(OutboundError, match="refused"):
        Outbound("https://id.example", resolve=lambda *_: pytest.fail("it was looked up")).send("GET", url, {})


@pytest.mark.parametrize("found", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"]])
def test_a_name_that_leads_inside_is_refused(found, monkeypatch):
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", lambda *_, **__: pytest.fail("it was connected to"))
    with pytest.raises(OutboundError, match="not public"):
        Outbound("https://id.example", resolve=lambda *_: found).send("GET", "https://keys.example/", {})


def test_what_was_checked_is_what_is_connected_to(monkeypatch):
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    connected = []

    def refuse(_, address, port, *rest):
        connected.append((address, port))
        raise httpcore.ConnectError("no network in tests")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", refuse)
    with pytest.raises(OutboundError, match="unreachable"):
        Outbound("https://id.example", resolve=lambda *_: next(answers)).send("GET", "https://keys.example/", {})

    assert connected == [("8.8.8.8", 443)]
    assert next(answers) == ["127.0.0.1"], "the name was looked up twice"


def test_each_request_is_checked_anew():
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    with serving(OK) as server:
        configured, other = (f"http://{name}.example:{server.port}" for name in ("id", "keys"))
        client = Outbound(configured, resolve=resolve)
        assert client.send("GET", configured, {}).status == 200
        with pytest.raises(OutboundError, match="not public"):
            client.send("GET", other, {})
        assert client.send("GET", configured, {}).status == 200
    assert [host for host, _ in asked] == ["id.example", "keys.example", "id.example"]


def test_no_connection_is_kept_for_the_next_request():
    with serving(OK, pause=30) as server:
        client = Outbound(server.origin)
        assert client.send("GET", server.origin, {}).status == 200
        assert client._pool.connections == []


def test_the_next_address_is_tried_when_one_does_not_answer():
    with serving(OK) as server:
        client = Outbound(f"http://id.example:{server.port}", resolve=lambda *_: ["::1", "127.0.0.1"])

        assert client.send("GET", f"http://id.example:{server.port}/", {}).status == 200
    assert f"Host: id.example:{server.port}".encode() in server.seen[0]


@pytest.mark.parametrize("name", ["no-such-name.invalid", "x" * 70 + ".example", "a..example"])
def test_a_name_that_does_not_exist(name, monkeypatch):
    monkeypatch.setattr(outbound.socket, "getaddrinfo", _no_name)
    with pytest.raises(OutboundError):
        Outbound("https://id.example").send("GET", f"https://{name}/", {})


def _no_name(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "no such name")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n", *[b"x" * 65536] * 130], "large", id="huge"
        ),
        pytest.param([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 130], "large", id="without a length"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}"], "not HTTP", id="cut off"),
        pytest.param([b"220 mail.example ESMTP\r\n"], "not HTTP", id="not HTTP"),
        pytest.param([], "not HTTP", id="nothing"),
        pytest.param([b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000], "not HTTP", id="headers without end"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"], "compressed", id="compressed"
        ),
    ],
)
def test_an_answer_that_cannot_be_used(answer, words):
    with serving(*answer) as server, pytest.raises(OutboundError, match=words):
        ask(server)


def test_a_huge_answer_is_left_while_it_is_still_being_sent():
    with serving(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65536] * 1000) as server:
        with pytest.raises(OutboundError, match="large"):
            ask(server)
        wait_until(server.closed.is_set, "the server notices that nobody reads on")


@pytest.mark.parametrize("outer", [False, True])
def test_an_answer_in_drops_ends_at_the_deadline(outer, monkeypatch):
    drops = [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b"x"] * 500]
    monkeypatch.setattr(outbound, "DEADLINE_SECONDS", 60.0 if outer else 1.0)
    with (
        serving(*drops, pause=0.02) as server,
        deadline(1.0 if outer else 60),
        pytest.raises(OutboundError, match="too slow"),
    ):
        ask(server)


class TestCertificates:
    """The name in the certificate is that of the address, whatever it was resolved to."""

    @pytest.fixture
    def identity(self, tmp_path):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "id.example")])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        certificate = (
            builder.not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("id.example")]), critical=False)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "id.pem"
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(certificate.public_bytes(pem) + secret)
        return path

    @pytest.fixture
    def secure(self, identity):
        names = []

        class Secure(Server):
            def wrap(self, connection):
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(identity)
                context.sni_callback = lambda _, name, __: names.append(name)
                try:
                    return context.wrap_socket(connection, server_side=True)
                except OSError:
                    return connection

        with serving(OK, kind=Secure) as server:
            server.names = names
            yield server

    def test_it_is_asked_for_and_checked_by_its_name(self, secure, identity):
        trusting = ssl.create_default_context(cafile=str(identity))
        for host, good in (("id.example", True), ("other.example", False)):
            origin = f"https://{host}:{secure.port}"
            client = Outbound(origin, resolve=lambda *_: ["127.0.0.1"], ssl_context=trusting)
            if good:
                assert client.send("GET", origin, {}).status == 200
            else:
                with pytest.raises(OutboundError, match="unreachable"):
                    client.send("GET", origin, {})
        assert secure.names == ["id.example", "other.example"]

    def test_a_certificate_that_nobody_vouches_for_is_refused(self, secure):
        origin = f"https://id.example:{secure.port}"
        with pytest.raises(OutboundError, match="unreachable"):
            Outbound(origin, resolve=lambda *_: ["127.0.0.1"]).send("GET", origin, {})
