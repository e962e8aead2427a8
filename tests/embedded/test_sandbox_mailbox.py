"""The sandbox's mailbox: mail goes in by SMTP, and is read as text, whatever it holds."""

import smtplib
from email.message import EmailMessage
from urllib.parse import urlsplit

import pytest

from anuma_dash.embedded.sandbox import create_app
from anuma_dash.embedded.sandbox.mailbox import MOST_MESSAGES
from anuma_dash.embedded.sandbox.settings import Settings
from tests.mailserver import mail_server


@pytest.fixture
def app(tmp_path, clock):
    return create_app(Settings(environment="test", instance=tmp_path), clock)


@pytest.fixture
def get(app):
    """Open a page of the sandbox."""
    return lambda path: app.test_client().get(path, base_url="http://localhost:8002")


@pytest.fixture
def smtp(app):
    """Where mail for this sandbox is taken."""
    with mail_server(handler=app.extensions["mailbox"]) as served:
        parts = urlsplit(served.url)
        yield parts.hostname, parts.port


def send(smtp, subject="Hello", html="<b>Hello</b><script>alert(1)</script>"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@dashboard.example", "olive@northwind.example", subject
    message.set_content("Hello in text")
    message.add_alternative(html, subtype="html")
    with smtplib.SMTP(*smtp, local_hostname="localhost", timeout=10) as client:
        client.send_message(message, to_addrs=["olive@northwind.example", "ada@northwind.example"])


def test_nothing_has_arrived(get, read_page):
    assert "No mail has arrived yet." in read_page(get("/mailbox")).text


def test_mail_is_listed_newest_first_and_read_as_text(get, read_page, smtp):
    send(smtp, "First")
    send(smtp, "<img src=x onerror=alert(2)>")

    listed = read_page(get("/mailbox"))
    assert listed.text.index("<img src=x onerror=alert(2)>") < listed.text.index("First")
    assert "To olive@northwind.example, ada@northwind.example" in listed.text
    shown = read_page(get("/mailbox/2"))
    assert "Hello in text" in shown.text
    assert "<b>Hello</b><script>alert(1)</script>" in shown.text
    assert [len(shown.all(tag)) for tag in ("script", "b", "img")] == [0, 0, 1]


def test_as_a_mail_program_shows_it_it_can_run_load_and_send_nothing(get, read_page, smtp):
    send(smtp)
    assert read_page(get("/mailbox/1")).text.count("As a mail program shows it") == 1
    shown = get("/mailbox/1/html")

    assert "<b>Hello</b><script>alert(1)</script>" in shown.text
    policy = shown.headers["Content-Security-Policy"].split("; ")
    assert policy[:3] == ["sandbox", "default-src 'none'", "style-src 'unsafe-inline'"]
    assert not [one for one in policy if "allow" in one or "script" in one]
    assert get("/mailbox/7/html").status_code == 404
    assert "sandbox" not in get("/mailbox").headers["Content-Security-Policy"].split("; ")


def test_the_oldest_makes_room_and_what_is_gone_is_missing(app, get):
    for number in range(MOST_MESSAGES + 1):
        app.extensions["mailbox"].take(("olive@northwind.example",), f"Subject: {number}\r\n\r\n".encode())

    assert get("/mailbox/1").status_code == 404
    assert get(f"/mailbox/{MOST_MESSAGES + 1}").status_code == 200
