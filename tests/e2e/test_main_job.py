"""One person, one browser, the official client: the whole main job on the real processes."""

from __future__ import annotations

import openai
import pytest
from playwright.sync_api import Page, expect

from tests.e2e import main_job
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_the_main_job(product: Stack, page: Page) -> None:
    main_job.sign_in(page, product.dashboard)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Olive")
    secret = main_job.make_key(page)
    snippet = main_job.copy_snippet(page, "Python")
    assert secret in snippet
    assert f"{product.gateway}/v1" in snippet

    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        _no_content_is_kept(page, client)
        _content_is_kept_while_it_is_on(page, client)
        _off_keeps_nothing_new(page, client)
    _what_was_stored_is_deleted(page)


def _no_content_is_kept(page: Page, client: openai.OpenAI) -> None:
    assert main_job.PROMPT_BEFORE in main_job.call(client, main_job.PROMPT_BEFORE)
    assert main_job.PROMPT_BEFORE in main_job.call(client, main_job.PROMPT_BEFORE, stream=True)
    main_job.open_latest_request(page)
    for words in ("anuma/echo", "metered, not charged yet", "Latency", "Tokens", "Not stored"):
        expect(page.get_by_text(words).first).to_be_visible()
    expect(page.locator("#content")).to_contain_text("off when this request arrived")
    assert main_job.PROMPT_BEFORE not in page.content()


def _content_is_kept_while_it_is_on(page: Page, client: openai.OpenAI) -> None:
    main_job.switch_on(page)
    expect(page.locator("#prompt-logging")).to_contain_text("In effect since")
    main_job.call(client, main_job.PROMPT_WHILE_ON)
    main_job.open_latest_request(page)
    page.get_by_role("link", name="Show prompt and response").click()
    content = page.locator("#content")
    expect(content.locator("[data-role=user]")).to_contain_text(main_job.PROMPT_WHILE_ON)
    expect(content.locator("[data-role=assistant]")).to_contain_text(main_job.PROMPT_WHILE_ON)


def _off_keeps_nothing_new(page: Page, client: openai.OpenAI) -> None:
    main_job.switch_off(page)
    control = page.locator("#prompt-logging")
    expect(control).to_contain_text("1 stored request")
    expect(control.get_by_role("button", name="Keep them")).to_be_visible()
    expect(control.get_by_role("link", name="Also delete them")).to_be_visible()
    main_job.call(client, main_job.PROMPT_AFTER)
    main_job.open_latest_request(page)
    expect(page.locator("#content")).to_contain_text("off when this request arrived")


def _what_was_stored_is_deleted(page: Page) -> None:
    main_job.delete_stored(page)
    expect(page.get_by_text("It was looked for, and not found.")).to_be_visible()
    stores = page.get_by_role("table", name="What was done where")
    expect(stores.get_by_text("Data keys destroyed")).to_be_visible()
    expect(stores.get_by_text("Not found; control string found").first).to_be_visible()
    kept = page.locator("#kept")
    expect(kept).to_contain_text("what cannot be reached")
    expect(kept).to_contain_text("Your own copies of responses")
    expect(kept).to_contain_text("Unreadable by")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Data controls").click()
    items = page.locator("#stored tbody tr", has_text="Request content").locator("[data-label=Items]")
    expect(items).to_have_text("0")
