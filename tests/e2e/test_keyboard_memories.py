"""A memory by keyboard alone: added, found again, deleted."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e import main_job, remembering
from tests.e2e.keyboard import press, reach
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_a_memory_by_keyboard_alone(product: Stack, page: Page) -> None:
    main_job.sign_in(page, product.dashboard, "Milo Okafor")
    remembering.switch_own_on(page, product.dashboard, "Your memories")
    page.goto(f"{product.dashboard}/memories")
    press(page, "New memory")
    _on(page, "New memory")
    reach(page, "Memory")
    page.keyboard.type("I write Python")
    press(page, "Keep it")
    expect(page.get_by_text("The gateway keeps the memory.")).to_be_visible()
    reach(page, "Words")
    page.keyboard.type("python")
    page.keyboard.press("Enter")
    expect(page.locator("#memory-list").get_by_text("You, on this page")).to_be_visible()
    press(page, "Delete I write Python")
    _on(page, "Delete a memory")
    press(page, "Delete this memory")
    _on(page, "Memories")
    expect(page.get_by_text("The memory is deleted, verified.").or_(page.get_by_text("is on its way"))).to_be_visible()


def _on(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)
