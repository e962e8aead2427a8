"""A real Chromium, watched: a violated policy, a console error or a request to another host fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

ROOT = Path(__file__).parent.parent.parent
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Each page runs its scripts, and axe, once: optimizing them takes longer than they do.
    "--js-flags=--no-opt,--no-maglev,--min-semi-space-size=32",
]
EVERY_RULE = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
TRANSITIONS_END = """Promise.allSettled(document.getAnimations()
  .filter(one => one.effect.getComputedTiming().endTime < Infinity).map(one => one.finished))"""
COLOR_RULES = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


def find_chromium() -> str:
    """Where Chromium is; without it the browser tests are skipped, except in CI, where it is required."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is required in CI and is not installed")
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser process."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


class Watch:
    """What a page did that it must not do."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def page(self, page: Page) -> None:
        """Watch this page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # Chromium reports every answer of 4xx as an error; answers are judged by the journeys themselves.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.faults.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in ("localhost", "127.0.0.1"):
            self.faults.append(f"request to {request.url}")

    def check(self) -> None:
        """Fail if anything was seen."""
        assert not self.faults, "\n".join(self.faults)


def new_context(browser: Browser, watch: Watch, **options: object) -> BrowserContext:
    """A fresh browser profile whose pages are watched."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.on("page", watch.page)
    return context


def axe_violations(page: Page, run_only: Mapping[str, object] = EVERY_RULE) -> list[str]:
    """What axe-core finds on the page by these rules, one line each."""
    # The first look at a style after a change of theme starts its transition.
    page.evaluate("getComputedStyle(document.body).color")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate(TRANSITIONS_END)
    if not page.evaluate("'axe' in window"):
        # Evaluated by the debugger, which a content security policy does not govern.
        page.evaluate((ROOT / "node_modules/axe-core/axe.min.js").read_text())
    # Every node that passes would be described, too: most of the time, for nothing.
    result = page.evaluate("runOnly => axe.run(document, {runOnly, resultTypes: ['violations']})", dict(run_only))
    return [
        f"{violation['id']}: {violation['help']} at {violation['nodes'][0]['target']}"
        for violation in result["violations"]
    ]


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
