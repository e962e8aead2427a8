"""The site by keyboard alone: everything can be reached, what has the focus can be seen, a swap does not lose it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import main_job
from tests.e2e.keyboard import reach
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_prompt_logging_by_keyboard_alone(product: Stack, page: Page) -> None:
    main_job.sign_in(page, product.dashboard, "Vera Novak")
    page.goto(f"{product.dashboard}/data-controls")
    reach(page, "Skip to the content")
    page.keyboard.press("Enter")
    reach(page, "Prompt logging")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Switch it on")).to_be_visible()
    reach(page, "Switch it on")
    page.keyboard.press("Enter")
    expect(page.get_by_text("needs your attention")).to_be_visible()
    assert "needs your attention" in page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    reach(page, "Switch it on")
    page.keyboard.press("Enter")
    switch = page.get_by_role("switch", name="Prompt logging")
    expect(switch).to_have_attribute("aria-checked", "true")
    reach(page, "Prompt logging")
    page.keyboard.press("Space")
    expect(switch).to_have_attribute("aria-checked", "false")


def test_the_menus_open_and_close_by_keyboard(product: Stack, page: Page) -> None:
    main_job.sign_in(page, product.dashboard, "Vera Novak")
    reach(page, "Your menu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 800})
    page.reload()
    reach(page, "Menu")
    page.keyboard.press("Enter")
    menu = page.get_by_role("navigation", name="Main")
    expect(menu.get_by_role("link", name="Data controls")).to_be_visible()
    reach(page, "Data controls")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Data controls")
