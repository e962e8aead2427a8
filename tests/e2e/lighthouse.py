"""Lighthouse on every page: `make lighthouse`. Prints a table, writes docs/lighthouse.md, and fails below 95.

Lighthouse opens each address in a tab of the very Chromium in which a person has signed in and used everything
(`tour.py`), then staff and a guest, one after the other: it sees each page as they do. Nothing leaves this machine.
A page that cannot be looked at, or a leg of the tour that breaks off, costs none of the others: it stands in the
report by name. `--tries 1 --report FILE` is a quick look at whether every page can be looked at, `--leg NAME` at some.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.e2e import tour
from tests.e2e.chromium import ARGUMENTS, ROOT, find_chromium
from tests.e2e.every_page import DESK
from tests.e2e.stops import Leg, Stop
from tests.processes import Stack, free_port, stack

CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
LEAST_SCORE = 95
MOST_LCP_SECONDS = 2.5
MOST_CLS = 0.1
TRIES = 5
MOST_FAILURES = 3
"""Looks at one page that may come to nothing, such as a trace that Chromium was too busy to record."""
LESS = "the same address as another page, with less on it"
ANSWER = "the answer to a form: it has no address of its own"
FAULT = "a fault: the page waits for the gateway as long as it may"
SKIPPED = {
    "keys-empty": LESS,
    "requests-empty": LESS,
    "deletions-empty": LESS,
    "activity-first": LESS,
    "activity-exports-first": LESS,
    "activity-filtered": LESS,
    "people-alone": LESS,
    "data-control": "the same page as data-controls",
    "data-controls-off": "the same address as data-controls",
    "staff-suspended-empty": LESS,
    "key-created": ANSWER,
    "staff-search": ANSWER,
    "staff-search-nothing": ANSWER,
    "staff-approved": ANSWER,
    "menu": "the overview with its menu open",
    "accounts": "the overview with the list of accounts open",
    "sandbox": "a page of the sandbox, not of the dashboard",
    "mailbox": "a page of the sandbox, not of the dashboard",
    "activity-days-wrong": "an answer to a mistake: its 422 alone costs the SEO score",
    "not-found": "an error page: its 404 alone costs the SEO score",
    "support-session-refused": "an error page: its 403 alone costs the SEO score",
    "suspended-person": "an error page, likewise",
    "data-controls-no-gateway": FAULT,
    "data-controls-pending": FAULT,
    "overview-no-gateway": FAULT,
    "keys-no-gateway": FAULT,
    "requests-no-gateway": FAULT,
    "account-being-deleted": "a state that a gateway at a standstill holds",
    "overview-being-deleted": "a state that a gateway at a standstill holds",
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


@dataclass
class Run:
    """One run over the whole tour: what was found, and what could not be looked at, by name."""

    tries: int
    results: list[Result] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether every page was looked at and keeps every bound."""
        return bool(self.results) and not self.problems and all(result.passes for result in self.results)

    def note(self, name: str, error: Exception) -> None:
        """Keep and print why something was not looked at."""
        self.problems[name] = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"| {name} | not looked at: {self.problems[name]}", flush=True)


class LookFailed(Exception):
    """Lighthouse could not look at the page."""


class Lighthouse:
    """One Lighthouse process that looks at one address after the other."""

    def __init__(self, port: int) -> None:
        self._environment = os.environ | {"PORT": str(port), "CATEGORIES": ",".join(CATEGORIES)}
        self._process: subprocess.Popen[str] | None = None

    def look(self, url: str) -> dict[str, Any]:
        """Its report. Raises `LookFailed`."""
        if self._process is None:
            self._process = subprocess.Popen(
                [ROOT / ".venv/bin/node", ROOT / "tests/peers/lighthouse.mjs"],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(url, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            raise LookFailed("Lighthouse did not come to an end")
        report: dict[str, Any] = json.loads(line)
        if report.get("runtimeError"):  # such as NO_NAVSTART: Chromium was too busy to record a trace
            raise LookFailed(report["runtimeError"]["message"])
        if report["finalDisplayedUrl"].partition("?")[0] != url.partition("?")[0]:
            raise LookFailed(f"asked for {url}, saw {report['finalDisplayedUrl']}")
        return report

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def main() -> int:
    """Look at every page; returns the exit status."""
    parser = argparse.ArgumentParser(description="Lighthouse on every page of the tour.")
    parser.add_argument("--tries", type=int, default=TRIES, help="how often a slow page is looked at, at most")
    parser.add_argument("--report", type=Path, default=ROOT / "docs" / "lighthouse.md")
    parser.add_argument("--leg", choices=[leg.name for leg in tour.LEGS], help="this leg of the tour alone")
    asked = parser.parse_args()
    legs = [leg for leg in tour.LEGS if asked.leg in (None, leg.name)]
    run, began = Run(asked.tries), time.monotonic()
    try:
        _look_along_all(legs, run)
    except Exception as error:  # whatever it was: what is known so far is written down
        run.note("the run", error)
    finally:
        asked.report.write_text(_report(run))
    print(f"{len(run.results)} pages, {len(run.problems)} problems, {(time.monotonic() - began) / 60:.1f} minutes")
    return 0 if run.passes else 1


def _look_along_all(legs: list[Leg], run: Run) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        # Lighthouse takes its time over each page; the tour's sign-in has to stay fresh meanwhile.
        stack(Path(folder), ANUMA_REAUTHENTICATION_MINUTES="60") as product,
        _chromium(Path(folder)) as (port, context),
    ):
        product.start_everything()
        lighthouse = Lighthouse(port)
        try:
            for leg in legs:
                context.clear_cookies()
                _look_along(leg, context.new_page(), product, lighthouse, run)
        finally:
            lighthouse.stop()


def _look_along(leg: Leg, page: Page, product: Stack, lighthouse: Lighthouse, run: Run) -> None:
    """A leg that breaks off leaves its other routes unseen, and the legs behind it whole."""
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    unseen = set(leg.routes)
    try:
        for stop in leg.walk(page, product, "Olive Lindqvist"):
            if stop.name not in SKIPPED:
                _look_at(stop, page, lighthouse, run)
            unseen.discard(leg.route_of(page.url))
    except Exception as error:
        run.note(f"the rest of the leg “{leg.name}”: {', '.join(sorted(unseen))}", error)
    finally:
        page.close()


def _look_at(stop: Stop, page: Page, lighthouse: Lighthouse, run: Run) -> None:
    try:
        stop.go(page)
        result = _best(stop.name, page.url, lighthouse, run.tries)
    except Exception as error:
        run.note(stop.name, error)
        return
    finally:
        page.bring_to_front()  # a tab behind another is asked for no passkey
    print(_row(result), *(f"    {finding}" for finding in result.findings), sep="\n", flush=True)
    run.results.append(result)


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


def _best(name: str, url: str, lighthouse: Lighthouse, most_tries: int) -> Result:
    """Other work on the machine makes a page look slow, never quick: the best try tells most of the page."""
    tries: list[Result] = []
    failures: list[LookFailed] = []
    while len(tries) < most_tries and len(failures) < MOST_FAILURES:
        try:
            tries.append(_result(name, lighthouse.look(url)))
        except LookFailed as error:
            failures.append(error)
            continue
        if tries[-1].quick:
            return tries[-1]
    if not tries:
        raise failures[-1]
    return max(tries, key=lambda result: result.scores["performance"])


def _result(name: str, report: dict[str, Any]) -> Result:
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
            audit = report["audits"].get(reference["id"])
            if audit and reference["weight"] and audit["score"] is not None and audit["score"] < 0.9:
                yield f"{name}: {audit['id']} {audit.get('displayValue', '')}".rstrip()


def _row(result: Result) -> str:
    scores = " | ".join(str(result.scores[name]) for name in CATEGORIES)
    return f"| {result.page} | {scores} | {result.lcp_seconds:.1f} s | {result.cls:.3f} |"


def _report(run: Run) -> str:
    version = json.loads((ROOT / "node_modules/lighthouse/package.json").read_text())["version"]
    lines = [
        "# Lighthouse",
        "",
        f"Written by `make lighthouse` (Lighthouse {version}, a phone on slow 4G, simulated). Bounds: {LEAST_SCORE} in "
        f"each category, largest contentful paint within {MOST_LCP_SECONDS} s, layout shift at most {MOST_CLS}. "
        f"A page that is too slow is tried again, {run.tries} times at most, and the best try stands here: a busy "
        "machine makes pages look slow, never quick.",
        "",
    ]
    if run.problems:
        lines += ["**Not a whole run.** What could not be looked at:", ""]
        lines += [*(f"- {name}: {why}" for name, why in run.problems.items()), ""]
    lines += [
        "| page | performance | accessibility | best practices | SEO | LCP | CLS |",
        "|---|---|---|---|---|---|---|",
        *(_row(result) for result in run.results),
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
