"""What the legs of the tour share: a leg, a stop, and the ways of getting about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from playwright.sync_api import Page
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, MapAdapter, Rule

from tests.e2e import main_job
from tests.processes import Stack


@dataclass(frozen=True)
class Stop:
    """One page to look at: its name, and how to get there in a browser that is signed in.

    `by_width`: a wide and a narrow window show another page, so go there anew in each.
    """

    name: str
    go: Callable[[Page], object]
    by_width: bool = False


@dataclass(frozen=True)
class Leg:
    """A part of the tour that begins with nobody signed in.

    `routes` are all that it stops at, as the application writes them; `elsewhere` are its stops that have none.
    """

    name: str
    walk: Callable[[Page, Stack, str], Iterator[Stop]]
    routes: frozenset[str]
    elsewhere: frozenset[str] = frozenset()

    def route_of(self, url: str) -> str:
        """The one of its routes that answers this address, "" if none does."""
        try:
            return str(self._known.match(urlsplit(url).path)[0])
        except NotFound:
            return ""

    @cached_property
    def _known(self) -> MapAdapter:
        return Map([Rule(rule, endpoint=rule) for rule in self.routes]).bind("localhost")


def addresses(at: str, paths: dict[str, str]) -> Iterator[Stop]:
    """Stops at pages that have an address of their own."""
    for name, path in paths.items():
        yield Stop(name, lambda page, path=path: _open(page, at + path))


def here(name: str) -> Stop:
    """A stop at the page that is open, for what has no address of its own."""
    return Stop(name, lambda _: None)


def _open(page: Page, address: str) -> None:
    page.goto(address)
    # Led elsewhere is signed out, asked to confirm, or somebody else: not the page that was meant.
    assert urlsplit(page.url).path == urlsplit(address).path, f"asked for {address}, got {page.url}"


def path_of(page: Page, selector: str) -> str:
    """Where the first such link leads."""
    return page.locator(selector).first.get_attribute("href") or ""


def sign_in_as(page: Page, at: str, name: str) -> None:
    """Let somebody else sit down at this browser; a session from before stays alive, elsewhere."""
    page.context.clear_cookies()
    main_job.sign_in(page, at, name)


@contextmanager
def somebody_else(page: Page, at: str, name: str) -> Iterator[None]:
    """Let somebody else use this browser meanwhile; then whoever was there goes on in the same session."""
    kept = page.context.cookies()
    sign_in_as(page, at, name)
    yield
    page.context.clear_cookies()
    page.context.add_cookies(kept)  # type: ignore[arg-type]


def fill_in(page: Page, address: str, button: str, fields: dict[str, str]) -> None:
    """Fill in a form, send it, and wait for what stands on the next page."""
    page.goto(address)
    for label, text in fields.items():
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_role("button", name=button).click()
    page.locator("#flash .note").first.wait_for()
