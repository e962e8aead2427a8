"""Everything as `make run` starts it: whoever signs out at the sandbox is signed out of the dashboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e import main_job
from tests.e2e.chromium import new_context

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_signing_out_at_the_provider_ends_the_session_here_and_no_other(browser, watch, product):
    here, there = (new_context(browser, watch).new_page() for _ in range(2))
    for page in (here, there):
        main_job.sign_in(page, product.dashboard, "Vera Novak")

    here.goto(f"{product.sandbox}/end-session")
    here.get_by_role("button", name="Sign out").click()
    expect(here.get_by_role("heading", level=1)).to_contain_text("signed out of the sandbox")

    here.goto(f"{product.dashboard}/activity")
    expect(here.get_by_role("heading", level=1, name="Sign in")).to_be_visible()
    there.goto(f"{product.dashboard}/activity")
    expect(there.get_by_role("heading", level=1, name="Activity")).to_be_visible()

    there.get_by_role("button", name="Your menu").click()
    there.get_by_role("button", name="Sign out").click()
    there.get_by_role("link", name="Sign out at Sandbox").click()
    there.get_by_role("button", name="Sign out").click()
    expect(there.get_by_role("heading", level=1)).to_contain_text("signed out of the sandbox")
    for page in (here, there):
        page.context.close()
