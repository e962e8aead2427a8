"""Every page of the site with something on it, for those who look at all of them: axe, widths, pictures."""

from __future__ import annotations

from urllib.parse import urlsplit

import openai
from playwright.sync_api import Page

from tests.e2e import main_job
from tests.processes import Stack

SIGNED_OUT = {"sign-in": "/sign-in", "signed-out": "/signed-out", "not-found": "/no-such-page"}
WIDTHS = (1280, 390)
THEMES = ("light", "dark")


def a_busy_day(page: Page, product: Stack, person: str = "Ada Moreau") -> dict[str, str]:
    """Let somebody use everything once; returns the pages worth looking at, by name, as paths."""
    at = product.dashboard
    main_job.sign_in(page, at, person)
    pages = {"overview-first-day": "/", "keys-empty": "/keys", "requests-empty": "/requests"}
    secret = main_job.make_key(page, "web")
    old = main_job.make_key(page, "old laptop")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        for number in range(3):
            main_job.call(client, f"A question before, number {number}", stream=number == 1)
        main_job.switch_on(page)
        main_job.call(client, "A question to be deleted")
        pages["deletion"] = main_job.delete_stored(page)
        for number in range(4):
            main_job.call(client, f"A stored question, number {number}")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=old, max_retries=0) as client:
        main_job.call(client, "Hello from the old laptop")
    return pages | _after(page, at)


def _after(page: Page, at: str) -> dict[str, str]:
    pages = {
        "overview": "/",
        "keys": "/keys",
        "keys-new": "/keys/new",
        "requests": "/requests",
        "activity": "/activity",
    }
    page.goto(f"{at}/keys")
    pages["key"] = _path(page, "#key-list tbody tr:first-child th a")
    pages["key-revocation"] = pages["key"] + "/revocation"
    page.goto(f"{at}/requests")
    pages["request"] = _path(page, "#request-list tbody tr:first-child th a")
    pages["request-content"] = pages["request"] + "/content"
    page.goto(f"{at}/data-controls")
    page.get_by_role("button", name="Test it now").click()
    page.get_by_role("heading", level=1, name="Test of prompt logging").wait_for()
    pages["control-test"] = urlsplit(page.url).path
    pages["data-controls"] = "/data-controls"
    pages["disclosure"] = "/data-controls/prompt-logging/edit"
    page.goto(f"{at}/data-controls")
    pages["deletion-new"] = _path(page, "#stored header a")
    pages["deletions"] = "/deletions"
    pages["activity-verification"] = "/activity/verification"
    pages["reauthentication"] = "/sign-in/reauthentication"
    return pages


def _path(page: Page, selector: str) -> str:
    return page.locator(selector).first.get_attribute("href") or ""
