"""A passkey in a real Chromium, with its own virtual authenticator (Web Authentication, WebDriver extension)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.e2e import main_job
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture
def devices(page: Page) -> Iterator[CDPSession]:
    """The debugger's authenticators; they answer at once, as if somebody touched them."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    yield session
    session.detach()


def plug_in(devices: CDPSession, *, verifies: bool = True) -> str:
    """Connect an authenticator; returns its identifier."""
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": verifies,
        "automaticPresenceSimulation": True,
    }
    return str(devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"])


def add_passkey(page: Page, at: str, name: str) -> None:
    page.goto(f"{at}/sign-in-methods/passkeys/new")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Continue").click()


def test_a_passkey_is_added_used_and_removed(
    product: Stack, page: Page, devices: CDPSession, go_stale: Callable[[], None]
) -> None:
    at = product.dashboard
    main_job.sign_in(page, at, "Bill Tanaka")
    device = plug_in(devices)
    page.get_by_role("button", name="Your menu").click()
    page.get_by_role("link", name="Sign-in methods").click()
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Name").fill("Laptop")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_text("The passkey “Laptop” is added.")).to_be_visible()

    go_stale()
    page.goto(f"{at}/keys/new")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New key")
    assert urlsplit(page.url).path == "/keys/new"
    page.get_by_label("Name").fill("made after a passkey")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_text("Key “made after a passkey” is ready")).to_be_visible()

    go_stale()
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.goto(f"{at}/keys/new")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was confirmed.")
    devices.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
    page.get_by_role("button", name="Use the passkey").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New key")

    page.goto(f"{at}/sign-in-methods")
    page.get_by_role("link", name="Remove Laptop").click()
    page.get_by_role("button", name="Remove the passkey").click()
    expect(page.get_by_text("The passkey “Laptop” is removed")).to_be_visible()
    go_stale()
    page.goto(f"{at}/keys/new")
    expect(page.get_by_role("button", name="Confirm with Sandbox")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_have_count(0)


def test_the_same_authenticator_is_not_added_twice(product: Stack, page: Page, devices: CDPSession) -> None:
    main_job.sign_in(page, product.dashboard, "Pria Castellanos")
    plug_in(devices)
    add_passkey(page, product.dashboard, "Once")
    expect(page.get_by_text("The passkey “Once” is added.")).to_be_visible()
    add_passkey(page, product.dashboard, "Twice")

    expect(page.get_by_role("alert")).to_contain_text("No passkey was added. Press the button to try again.")


def test_without_script_a_passkey_is_not_offered(product: Stack, page: Page, devices: CDPSession) -> None:
    main_job.sign_in(page, product.dashboard, "Sam Ruiz")
    plug_in(devices)
    add_passkey(page, product.dashboard, "Key")
    expect(page.get_by_text("The passkey “Key” is added.")).to_be_visible()
    cookies = page.context.cookies()
    browser = page.context.browser
    assert browser is not None
    plain = browser.new_context(java_script_enabled=False)
    plain.add_cookies(cookies)
    without = plain.new_page()
    without.goto(f"{product.dashboard}/sign-in/reauthentication")

    expect(without.get_by_role("button", name="Confirm with Sandbox")).to_be_visible()
    expect(without.get_by_role("button", name="Use a passkey")).to_be_hidden()
    plain.close()
