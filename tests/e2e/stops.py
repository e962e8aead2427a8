"""What the parts of the tour share: a stop, and the ways of getting about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.e2e import main_job


@dataclass(frozen=True)
class Stop:
    """One page to look at: its name, and how to get there in a browser that is signed in."""

    name: str
    go: Callable[[Page], object]


def addresses(at: str, paths: dict[str, str]) -> Iterator[Stop]:
    """Stops at pages that have an address of their own."""
    for name, path in paths.items():
        yield Stop(name, lambda page, path=path: page.goto(at + path))


def path_of(page: Page, selector: str) -> str:
    """Where the first such link leads."""
    return page.locator(selector).first.get_attribute("href") or ""


def sign_in_as(page: Page, at: str, name: str) -> None:
    """Let somebody else sit down at this browser; a session from before stays alive, elsewhere."""
    page.context.clear_cookies()
    main_job.sign_in(page, at, name)


def fill_in(page: Page, address: str, button: str, fields: dict[str, str]) -> None:
    """Fill in a form, send it, and wait for what stands on the next page."""
    page.goto(address)
    for label, text in fields.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name=button).click()
    page.locator("#flash .note").first.wait_for()
