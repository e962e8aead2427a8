"""The ways of confirming who one is, state by state, in a real Chromium: axe, widths, the page that asks by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from anuma_dash.settings import Provider
from tests.e2e.chromium import axe_violations, find_chromium, scrolls_sideways
from tests.e2e.tour import THEMES, WIDTHS
from tests.processes import free_port
from tests.world import World

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", ["sqlite"], indirect=True)]
CODE_STATE = "#code-state"
LONG_LABEL = "Loud Single Sign-On of Northwind Labs (Frankfurt)"


@pytest.fixture
def port() -> int:
    """Where this test's dashboard is served; its public address must be known before it is made."""
    find_chromium()
    return free_port()


@pytest.fixture
def more_settings(port: int) -> dict[str, Any]:
    quiet = Provider(
        slug="quiet",
        label="Quiet",
        issuer="https://quiet.example",
        client_id="a",
        client_secret="b",
        sends_auth_time=False,
    )
    loud = quiet.model_copy(update={"slug": "loud", "label": LONG_LABEL, "issuer": "https://loud.example"})
    return {"sign_in_providers": (quiet, loud), "public_url": f"http://localhost:{port}"}


@pytest.fixture
def served(world: World, port: int, page: Page) -> Iterator[str]:
    """The world's dashboard on a real port, and Dev signed in there, eleven minutes ago."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = make_server("127.0.0.1", port, world.app, threaded=True, fd=listener.fileno())
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        token = world.start_session(world.dev)[1]
        page.context.add_cookies([{"name": world.session_cookie, "value": token, "url": world.settings.public_url}])
        yield world.settings.public_url
        page.goto("about:blank")
        server.shutdown()
        thread.join()
        server.server_close()


def faults(page: Page, name: str) -> list[str]:
    """What is wrong with the page as it is, in every width and theme."""
    found = []
    for width, theme in zip(WIDTHS, THEMES, strict=True):
        page.set_viewport_size({"width": width, "height": 900})
        found += [f"{name}: scrolls sideways at {width} px"] if scrolls_sideways(page) else []
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        found += [f"{name}, {theme}, {width}: {one}" for one in axe_violations(page)]
    return found


def test_a_code_state_by_state(world: World, served: str, page: Page) -> None:
    world.clock.advance(minutes=11)
    page.goto(f"{served}/keys/new")
    found = faults(page, "no code yet")
    world.mailbox.answers["RCPT"] = "451 later"
    page.get_by_role("button", name="Send a code").click()
    expect(page.locator(CODE_STATE)).to_contain_text("is not sent yet")
    found += faults(page, "not sent yet")

    world.run_worker()
    expect(page.locator(CODE_STATE)).to_contain_text("We have not been able to send the code")
    found += faults(page, "not able to send")
    world.mailbox.answers.clear()
    world.run_worker(seconds=2)
    expect(page.locator(CODE_STATE)).to_contain_text("Sent to d…@northwind.example")
    page.get_by_role("textbox", name="Code").fill("1234")
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Code")).to_be_focused()
    expect(page.get_by_role("textbox", name="Code")).to_have_accessible_description(
        "8 digits. 5 tries left. Error: Enter the 8 digits of the code."
    )
    found += faults(page, "not a code")

    page.get_by_role("textbox", name="Code").fill(world.mailbox.code())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New key")
    assert not found, "\n".join(found)


def test_a_code_that_was_not_sent(world: World, served: str, page: Page) -> None:
    world.mailbox.answers["RCPT"] = "550 no"
    page.goto(f"{served}/sign-in/reauthentication")
    page.get_by_role("button", name="Send a code").click()
    world.run_worker()
    expect(page.locator(CODE_STATE)).to_contain_text("for good. No code was sent.")
    found = faults(page, "refused")
    world.mailbox.answers.clear()
    world.mailbox.hang_up = True
    page.get_by_role("button", name="Send a new code").click()
    world.run_worker()
    expect(page.locator(CODE_STATE)).to_contain_text("did not say whether it took the code")
    found += faults(page, "unknown")
    page.goto(f"{served}/sign-in-methods")
    expect(page.get_by_role("button", name=f"Connect {LONG_LABEL}")).to_be_visible()
    found += faults(page, "a provider to connect")

    assert not found, "\n".join(found)
