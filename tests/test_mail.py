"""Mail through a real SMTP server: sent once, never said to be sent before it was, and gone from here afterwards."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from anuma_dash import mail
from anuma_dash.identity import User
from anuma_dash.mail import CONFIRMATION_CODE, Mail, sending
from tests.mailserver import mail_server
from tests.processes import free_port

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
VALUES = {"code": "1234 5678", "until": "10:10", "asked_at": "10:00", "device": "Firefox", "support_email": "s@a.b"}


def write(world, person=None, minutes=10, **changes):
    """A message to this person, written as an act would."""
    with world.db.transaction() as tx:
        user = tx.get_one(User, (person or world.olive).id)
        for name, value in changes.items():
            setattr(user, name, value)
        now = world.clock.now
        return mail.write(
            tx,
            world.settings,
            user,
            CONFIRMATION_CODE,
            VALUES,
            now=now,
            until=now + timedelta(minutes=minutes),
        )


def state(world):
    (row,) = world.rows(Mail)
    return row.state


def sealed(world):
    (row,) = world.rows(Mail)
    return (row.vault_key_id, row.wrapped_data_key, row.ciphertext)


GONE = (None, None, None)


def test_a_message_is_sent_once_and_then_nothing_of_it_is_kept(world):
    row = write(world)
    assert (state(world), list(world.mailbox.messages)) == ("waiting", [])

    world.run_worker(seconds=5)

    (message,) = world.mailbox.messages
    assert message.recipients == (world.olive.email,)
    parsed = message.parsed
    assert parsed["To"] == world.olive.email
    assert parsed["From"] == "Anuma <no-reply@anuma.example>"
    assert parsed["Message-ID"] == f"<{row.id}@localhost>"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert "1234 5678" not in str(parsed["Subject"])
    for kind in ("plain", "html"):
        assert "1234 5678" in message.content(kind)
        assert "Hello Olive Lindqvist" in message.content(kind)
    assert (state(world), sealed(world)) == ("sent", GONE)
    assert world.rows(Mail)[0].next_try_at is None


@ONE_ENGINE
class TestFailures:
    def test_a_server_that_is_down_is_tried_again_until_it_is_back(self, world):
        url = world.settings.smtp_url
        write(world)
        world.restart(smtp_url=f"smtp://localhost:{free_port()}")
        world.run_worker(seconds=3)
        (row,) = world.rows(Mail)
        assert (row.state, row.failures > 1) == ("waiting", True)

        world.restart(smtp_url=url)
        world.run_worker(seconds=8)

        assert (state(world), len(world.mailbox.messages)) == ("sent", 1)

    @pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
    def test_a_refusal_for_now_is_tried_again(self, world, command):
        world.mailbox.answers[command] = f"451 try again later, {world.olive.email}"
        write(world)
        world.run_worker()
        (row,) = world.rows(Mail)
        assert (row.state, row.last_failure) == ("waiting", "The mail server refused for now (451).")

        world.mailbox.answers.clear()
        world.run_worker(seconds=2)

        assert (state(world), len(world.mailbox.messages)) == ("sent", 1)

    @pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
    def test_a_refusal_for_good_ends_it(self, world, command):
        world.mailbox.answers[command] = "550 no such person"
        write(world)

        world.run_worker(seconds=5)

        assert (state(world), sealed(world)) == ("refused", GONE)
        assert world.rows(Mail)[0].next_try_at is None

    def test_a_server_that_wants_us_to_sign_in_says_nothing_about_the_message(self, world):
        world.mailbox.answers["MAIL"] = "530 authentication required"
        write(world)
        world.run_worker()

        assert state(world) == "waiting"

    def test_a_message_that_is_of_no_use_any_more_is_not_sent(self, world):
        world.mailbox.answers["RCPT"] = "451 not now"
        write(world)
        world.run_worker()
        world.mailbox.answers.clear()
        world.clock.advance(minutes=10)

        world.run_worker()

        assert (state(world), sealed(world), list(world.mailbox.messages)) == ("expired", GONE, [])

    def test_nobody_is_told_sent_before_the_server_took_it(self, world):
        seen = []
        world.mailbox.before_answer = lambda: seen.append(state(world))
        write(world)
        world.run_worker()

        assert (seen, state(world)) == (["sending"], "sent")

    def test_a_lost_answer_is_called_unknown_and_not_sent_again(self, world):
        world.mailbox.hang_up = True
        write(world)
        world.run_worker(seconds=5)
        world.clock.advance(minutes=2)
        world.run_worker()

        assert (state(world), sealed(world), len(world.mailbox.messages)) == ("unknown", GONE, 1)

    def test_a_crash_after_the_server_took_it_does_not_send_it_twice(self, world, monkeypatch):
        def crash(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(sending, "_note", crash)
        write(world)
        with pytest.raises(KeyboardInterrupt):
            world.run_worker()
        monkeypatch.undo()
        assert (state(world), len(world.mailbox.messages)) == ("sending", 1)

        world.clock.advance(minutes=2)
        world.run_worker()

        assert (state(world), sealed(world), len(world.mailbox.messages)) == ("unknown", GONE, 1)

    def test_a_crash_before_it_was_handed_over_loses_nothing(self, world, monkeypatch):
        def crash(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(sending, "_give_envelope", crash)
        write(world)
        with pytest.raises(KeyboardInterrupt):
            world.run_worker()
        monkeypatch.undo()

        world.clock.advance(seconds=21)
        world.run_worker()

        assert (state(world), len(world.mailbox.messages)) == ("sent", 1)

    def test_an_attempt_that_was_overtaken_hands_nothing_over(self, world, monkeypatch):
        given = sending._give_envelope

        def be_slow(*arguments):
            given(*arguments)
            monkeypatch.undo()
            world.clock.advance(seconds=21)
            world.run_worker()

        monkeypatch.setattr(sending, "_give_envelope", be_slow)
        write(world)
        world.run_worker()

        assert (state(world), len(world.mailbox.messages)) == ("sent", 1)

    def test_a_withdrawn_message_is_not_sent(self, world):
        row = write(world)
        with world.db.transaction() as tx:
            mail.withdraw(tx, row.id, world.clock.now)
        world.run_worker(seconds=2)

        assert (state(world), sealed(world), list(world.mailbox.messages)) == ("expired", GONE, [])

    def test_a_message_whose_key_is_missing_waits_for_it(self, world):
        keys = world.settings.vault_keys
        write(world)
        world.restart(vault_keys=())
        world.run_worker()
        assert state(world) == "waiting"

        world.restart(vault_keys=keys)
        world.run_worker(seconds=2)
        assert state(world) == "sent"

    def test_no_address_and_no_code_is_logged_or_noted(self, world):
        world.mailbox.answers["RCPT"] = f"550 <{world.olive.email}> is unknown, 1234 5678"
        write(world)
        with capture_logs() as logs:
            world.run_worker()

        said = repr(logs) + repr([vars(row) for row in world.rows(Mail)])
        assert "mail not sent" in said
        assert not [word for word in ("olive", "northwind", "1234", "Lindqvist") if word in said]


@ONE_ENGINE
class TestHeaders:
    def test_a_name_cannot_add_headers(self, world):
        write(world, name="Eve\r\nBcc: victim@elsewhere.example\r\n\r\n<b>hello</b>")
        world.run_worker()

        (message,) = world.mailbox.messages
        assert message.recipients == (world.olive.email,)
        assert message.parsed["Bcc"] is None
        assert set(message.parsed.keys()) == {
            *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"),
        }
        assert "&lt;b&gt;hello&lt;/b&gt;" in message.content("html")

    @pytest.mark.parametrize(
        "address",
        [
            "olive@northwind.example\r\nBcc: victim@elsewhere.example",
            "olive@northwind.example\nDATA",
            "olive@northwind.example> RCPT TO:<victim@elsewhere.example",
            "olive@northwind.example, victim@elsewhere.example",
            "<olive@northwind.example>",
            "olive northwind@example",
            '"olive"@northwind.example',
            "olive@" + "x" * 260,
            "olive",
            "",
            None,
        ],
    )
    def test_such_an_address_is_not_mailed_to(self, world, address):
        assert not mail.mailable(address)
        with pytest.raises(ValueError, match="cannot be mailed to"):
            write(world, email=address)
        assert world.rows(Mail) == []

    def test_an_address_that_is_merely_claimed_is_not_mailed_to(self, world):
        with pytest.raises(ValueError, match="is not verified"):
            write(world, email_verified=False)
        assert world.rows(Mail) == []

    def test_an_address_in_another_script_is_mailed_to_as_it_is(self, world):
        write(world, email="ольга@пример.example")
        world.run_worker()

        (message,) = world.mailbox.messages
        assert message.recipients == ("ольга@пример.example",)
        assert message_from_bytes(message.raw, policy=policy.SMTPUTF8)["To"] == "ольга@пример.example"

    def test_a_server_that_cannot_do_that_is_not_asked_to(self, world):
        with mail_server(enable_SMTPUTF8=False) as old:
            world.restart(smtp_url=old.url)
            write(world, email="ольга@пример.example")
            world.run_worker()

        assert (state(world), list(old.messages)) == ("refused", [])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for localhost and mail.anuma.example that nobody knows: its file, and a context that serves it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.DNSName("mail.anuma.example")]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


@pytest.fixture
def far_away(monkeypatch):
    """A name that is not this machine's to us, although it leads here."""
    resolve = socket.getaddrinfo

    def answer(host, *rest, **more):
        return resolve("127.0.0.1" if host == "mail.anuma.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return "mail.anuma.example"


@ONE_ENGINE
class TestTLS:
    @pytest.mark.parametrize("trusted", [False, True])
    def test_a_certificate_that_nobody_vouches_for_gets_no_mail(self, world, certificate, monkeypatch, trusted):
        file, context = certificate
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with mail_server(ssl_context=context) as server:
            world.restart(smtp_url=server.url)
            write(world)
            world.run_worker()

        assert (state(world), len(server.messages)) == (("sent", 1) if trusted else ("waiting", 0))

    def test_mail_over_a_network_is_encrypted_or_does_not_leave(self, world, far_away):
        with mail_server() as server:
            world.restart(smtp_url=server.url.replace("localhost", far_away))
            write(world)
            world.run_worker()

        assert (state(world), list(server.messages)) == ("waiting", [])
        assert world.rows(Mail)[0].last_failure == "The mail server cannot be used: SMTPNotSupportedError."

    def test_the_password_is_sent_after_encryption_only(self, world, certificate, monkeypatch, far_away):
        file, context = certificate
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        told = []

        def check(server, session, envelope, mechanism, data):
            told.append((session.ssl is not None, data.login, data.password))
            return AuthResult(success=True)

        with mail_server(tls_context=context, require_starttls=True, authenticator=check) as server:
            url = server.url.replace("localhost", f"us%40er:p%3Aw@{far_away}")
            world.restart(smtp_url=url)
            write(world)
            world.run_worker()

        assert (state(world), len(server.messages)) == ("sent", 1)
        assert told == [(True, b"us@er", b"p:w")]
