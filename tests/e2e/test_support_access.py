"""A customer lets support in, support looks, the customer sees each page and ends it: two browsers, real processes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e import main_job
from tests.e2e.chromium import Watch, axe_violations, new_context
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]
OLIVE, SAM = "Olive Lindqvist", "Sam Ruiz"


@pytest.fixture
def pages(browser: Browser, watch: Watch) -> Iterator[tuple[Page, Page]]:
    """A page of Olive's browser, and one of Sam's."""
    contexts = [new_context(browser, watch, viewport={"width": 1280, "height": 900}) for _ in range(2)]
    yield contexts[0].new_page(), contexts[1].new_page()
    for context in contexts:
        context.close()


def test_a_customer_lets_support_in_sees_what_they_look_at_and_ends_it(
    product: Stack, pages: tuple[Page, Page]
) -> None:
    at, (olive, sam) = product.dashboard, pages
    main_job.sign_in(olive, at, OLIVE)
    _let_support_in(olive)
    main_job.sign_in(sam, at, SAM)
    expect(sam).to_have_url(f"{at}/staff")
    _look(sam)
    _see_and_end(olive)
    _is_out(sam, at)


def _menu(page: Page, label: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=label).click()


def _let_support_in(olive: Page) -> None:
    _menu(olive, "Support access")
    olive.get_by_role("link", name="Let support in").first.click()
    olive.get_by_label("For how many hours").fill("2")
    olive.get_by_role("button", name="Let support in").click()
    expect(olive.get_by_role("table", name="Live support access")).to_contain_text("Everybody of support")


def _look(sam: Page) -> None:
    sam.get_by_role("link", name="Accounts").click()
    sam.get_by_label("Search by").select_option("email")
    sam.get_by_label("Search for").fill("olive@northwind.example")
    sam.get_by_role("button", name="Search").click()
    row = sam.get_by_role("table", name="Accounts found").get_by_role("row", name=OLIVE)
    expect(row).to_contain_text("1 live")
    row.get_by_role("link").click()
    sam.get_by_role("link", name="Look under this support access").click()
    sam.get_by_label("Reason").fill("A call about keys")
    sam.get_by_label("Ticket").fill("T-1001")
    sam.get_by_role("button", name="Open the support session").click()
    bar = sam.get_by_role("region", name="Support session")
    expect(bar).to_contain_text(f"{SAM} of Anuma is looking into {OLIVE}")
    _menu(sam, "API keys")
    expect(sam.get_by_role("heading", level=1)).to_have_text("API keys")
    expect(bar).to_contain_text(re.compile(r"\d+ min \d+ s left, until "))
    expect(bar).not_to_have_text(bar.inner_text(), use_inner_text=True)
    expect(sam.get_by_role("link", name="New key")).to_have_count(0)
    assert not axe_violations(sam)


def _see_and_end(olive: Page) -> None:
    olive.reload()
    expect(olive.locator("#inside")).to_contain_text(SAM)
    expect(olive.locator("#inside")).to_contain_text("A call about keys")
    _menu(olive, "Activity")
    expect(olive.locator("#activity-list")).to_contain_text(f"{SAM} opened API keys at /keys")
    _menu(olive, "Support access")
    olive.get_by_role("button", name="End now").click()
    expect(olive.locator("#inside")).to_contain_text("Nobody of support is inside this account.")


def _is_out(sam: Page, at: str) -> None:
    sam.get_by_role("link", name="Request log").click()
    expect(sam.get_by_text("is over: ended by the customer")).to_be_visible()
    assert OLIVE not in sam.locator("#main, main").first.inner_text().replace(f"support session in {OLIVE}", "")
    sam.goto(f"{at}/keys")
    expect(sam.get_by_role("heading", level=1)).not_to_have_text("API keys")
