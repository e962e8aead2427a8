"""Every page of the site with something on it, for those who look at all of them: axe, widths, pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import openai
import psutil
from playwright.sync_api import Page, expect

from tests.e2e import main_job
from tests.processes import Stack

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
NAME = "Robin Abara"
ADDRESS = "robin@elsewhere.example"


@dataclass(frozen=True)
class Stop:
    """One page to look at: its name, and how to get there in a browser that is signed in."""

    name: str
    go: Callable[[Page], object]


def stops(page: Page, product: Stack, person: str = "Ada Moreau") -> Iterator[Stop]:
    """Let somebody use everything once, and stop wherever there is something to look at."""
    at = product.dashboard
    yield from _before_sign_in(page, product)
    main_job.sign_in(page, at, person)
    yield from _addresses(
        at,
        {
            "overview-first-day": "/",
            "keys-empty": "/keys",
            "requests-empty": "/requests",
            "activity-first": "/activity",
        },
    )
    secret = main_job.make_key(page, "web")
    yield Stop("key-created", lambda _: None)
    old = main_job.make_key(page, "old laptop")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=secret, max_retries=0) as client:
        for number in range(3):
            main_job.call(client, f"A question before, number {number}", stream=number == 1)
        main_job.switch_on(page)
        main_job.call(client, "A question to be deleted")
        deletion = main_job.delete_stored(page)
        for number in range(4):
            main_job.call(client, f"A stored question, number {number}")
    with openai.OpenAI(base_url=f"{product.gateway}/v1", api_key=old, max_retries=0) as client:
        main_job.call(client, "Hello from the old laptop")
    yield from _addresses(at, {"deletion": deletion, **_after_a_day(page, at)})
    yield Stop("menu", lambda shown: _open_menu(shown, at))
    yield from _addresses(at, {"not-found": "/no-such-page", "reauthentication": "/sign-in/reauthentication"})
    yield from _off_with_something_stored(page, at)
    yield from _without_the_gateway(page, product)
    yield from _addresses(at, {"signed-out": "/signed-out"})


def _addresses(at: str, paths: dict[str, str]) -> Iterator[Stop]:
    for name, path in paths.items():
        yield Stop(name, lambda page, path=path: page.goto(at + path))


def _before_sign_in(page: Page, product: Stack) -> Iterator[Stop]:
    at = product.dashboard
    yield from _addresses(at, {"sign-in": "/sign-in", "waiting": "/waiting", "under-13": "/under-13"})
    page.goto(f"{at}/sign-in")
    page.get_by_role("button", name="Continue with Sandbox").click()
    page.wait_for_url(f"{product.sandbox}/**")
    yield Stop("sandbox", lambda _: None)
    page.get_by_role("textbox", name="Name").fill(NAME)
    page.get_by_role("textbox", name="E-mail").fill(ADDRESS)
    page.get_by_role("textbox", name="E-mail").press("Enter")
    page.wait_for_url(f"{at}/welcome")
    yield Stop("welcome", lambda _: None)


def _after_a_day(page: Page, at: str) -> dict[str, str]:
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
    page.goto(f"{at}/data-controls")
    pages["deletion-new"] = _path(page, "#stored header a")
    return pages | {
        "data-controls": "/data-controls",
        "disclosure": "/data-controls/prompt-logging/edit",
        "deletions": "/deletions",
        "activity-verification": "/activity/verification",
    }


def _path(page: Page, selector: str) -> str:
    return page.locator(selector).first.get_attribute("href") or ""


def _open_menu(page: Page, at: str) -> None:
    page.goto(at)
    narrow = (page.viewport_size or {"width": 0})["width"] < 800
    page.get_by_role("button", name=re.compile("^Menu$" if narrow else "Your menu")).click()


def _off_with_something_stored(page: Page, at: str) -> Iterator[Stop]:
    page.goto(at)
    main_job.switch_off(page)
    expect(page.get_by_text("still here")).to_be_visible()
    yield from _addresses(at, {"data-controls-off": "/data-controls"})


def _without_the_gateway(page: Page, product: Stack) -> Iterator[Stop]:
    at = product.dashboard
    with _gateway_paused(product):
        page.goto(f"{at}/data-controls")
        yield from _addresses(at, {"data-controls-no-gateway": "/data-controls"})
        page.goto(f"{at}/data-controls/prompt-logging/edit")
        page.get_by_role("checkbox").check()
        page.get_by_role("button", name="Switch it on").click()
        expect(page.get_by_text("Turning on, not confirmed yet")).to_be_visible(timeout=15_000)
        yield from _addresses(
            at,
            {
                "data-controls-pending": "/data-controls",
                "overview-no-gateway": "/",
                "keys-no-gateway": "/keys",
                "requests-no-gateway": "/requests",
            },
        )


@contextmanager
def _gateway_paused(product: Stack) -> Iterator[None]:
    everything = psutil.Process(product.processes["everything-0"].popen.pid)
    gateways = [one for one in everything.children(recursive=True) if "anuma_dash.embedded.gateway" in one.cmdline()]
    assert gateways
    for one in gateways:
        one.suspend()
    try:
        yield
    finally:
        for one in gateways:
            one.resume()
