"""People, roles, sessions, support access and accounts by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import main_job
from tests.e2e.chromium import Watch, new_context
from tests.e2e.keyboard import choose, fill, follow, press, reach
from tests.e2e.tour_people import mailed_link
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]
OWNER = "Vera Novak"
GUEST = "Lena Ohm"
ORGANIZATION = "Halcyon Works"


@pytest.fixture
def owner(product: Stack, page: Page) -> Page:
    """Vera, signed in and looking at her overview."""
    main_job.sign_in(page, product.dashboard, OWNER)
    return page


def test_somebody_is_invited_and_gets_another_role_by_keyboard_alone(
    product: Stack, owner: Page, browser: Browser, watch: Watch, go_stale: Callable[[], None]
) -> None:
    follow(owner, "People", "People")
    follow(owner, "Invite somebody", "Invite somebody")
    fill(owner, "E-mail address", main_job.address_of(GUEST))
    choose(owner, "Role", "Developer")
    press(owner, "Send the invitation")
    expect(owner.get_by_role("table", name="Invitations")).to_contain_text(main_job.address_of(GUEST))

    _join(product, browser, watch)
    go_stale()
    owner.reload()
    follow(owner, f"Change role of {GUEST}", "Confirm that it is you")
    press(owner, "Confirm with Sandbox")
    owner.wait_for_url(f"{product.sandbox}/**")
    follow(owner, OWNER, f"Role of {GUEST}")
    choose(owner, "Role", "Viewer")
    press(owner, "Change the role")
    expect(owner.get_by_role("row", name=GUEST)).to_contain_text("Viewer")


def _join(product: Stack, browser: Browser, watch: Watch) -> None:
    """Lena takes up the invitation, elsewhere and with a mouse."""
    context = new_context(browser, watch)
    lena = context.new_page()
    link = mailed_link(lena, product, main_job.address_of(GUEST))
    main_job.sign_in(lena, product.dashboard, GUEST)
    lena.goto(product.dashboard + link)
    lena.get_by_role("button", name="Join").click()
    lena.locator("#flash .note").first.wait_for()
    context.close()


def test_other_sessions_are_ended_by_keyboard_alone(
    product: Stack, owner: Page, browser: Browser, watch: Watch
) -> None:
    context = new_context(browser, watch)
    elsewhere = context.new_page()
    main_job.sign_in(elsewhere, product.dashboard, OWNER)

    press(owner, "Your menu")
    follow(owner, "Sessions", "Sessions")
    follow(owner, "End all others", "End all other sessions")
    follow(owner, "End ", "Sessions")
    expect(owner.locator("#live tbody tr")).to_have_count(1)

    elsewhere.reload()
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Sign in")
    context.close()


def test_support_is_let_in_and_out_again_by_keyboard_alone(owner: Page) -> None:
    follow(owner, "Support access", "Support access")
    follow(owner, "Let support in", "Let support in")
    fill(owner, "For how many hours", "2")
    press(owner, "Let support in")
    expect(owner.get_by_role("table", name="Live support access")).to_contain_text("Everybody of support")
    press(owner, "Revoke")
    expect(owner.get_by_role("heading", name="Nothing is granted")).to_be_visible()
    assert owner.evaluate("document.activeElement !== document.body"), "the swap lost the focus"


def test_the_account_is_switched_by_keyboard_alone(owner: Page) -> None:
    press(owner, "Account:")
    follow(owner, "New organization", "New organization")
    fill(owner, "Name", ORGANIZATION)
    press(owner, "Make the organization")
    switcher = owner.get_by_role("button", name="Account:")
    expect(switcher).to_contain_text(ORGANIZATION)
    press(owner, "Account:")
    expect(owner.get_by_role("region", name="Accounts")).to_be_visible()
    press(owner, OWNER)
    expect(switcher).to_contain_text(OWNER)
    reach(owner, "Account:")
