"""The running product and a watched Chromium."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.chromium import Watch, chromium, find_chromium, new_context
from tests.processes import Stack, stack

# A busy test machine is not a slow page.
expect.set_options(timeout=30_000)
BUDGET_SECONDS = "5"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for as long as one test here follows another; each has a profile of its own."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything, started by the command that `make run` uses, for as long as one test here follows another."""
    find_chromium()
    with stack(tmp_path_factory.mktemp("product"), ANUMA_GATEWAY_BUDGET_SECONDS=BUDGET_SECONDS) as found:
        found.start_everything()
        yield found


@pytest.fixture
def go_stale(product: Stack) -> Callable[[], None]:
    """Let every confirmation be an hour old: the time of real processes cannot be moved."""
    path = Path(product.environment["ANUMA_INSTANCE"]) / "dashboard.sqlite"

    def age() -> None:
        with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
            connection.execute("UPDATE sessions SET authenticated_at = datetime(authenticated_at, '-1 hour')")

    return age


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What pages must not do; checked when the test ends."""
    found = Watch()
    yield found
    found.check()


@pytest.fixture
def page(browser: Browser, watch: Watch) -> Iterator[Page]:
    """A page of a fresh profile."""
    context = new_context(browser, watch, viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()
