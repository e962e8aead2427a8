"""Every page in a real browser: nothing for axe, no sideways scrolling, no violated policy, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e import tour
from tests.e2e.chromium import Watch, axe_violations, new_context, scrolls_sideways
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


@pytest.fixture(scope="module")
def looked_at(product: Stack, browser: Browser) -> Iterator[tuple[Page, dict[str, str], Watch]]:
    """A signed-in page, and every address worth looking at."""
    watch = Watch()
    context = new_context(browser, watch, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    paths = tour.a_busy_day(page, product)
    yield page, paths | tour.SIGNED_OUT, watch
    context.close()


@pytest.mark.parametrize("theme", tour.THEMES)
@pytest.mark.parametrize("width", tour.WIDTHS)
def test_every_page_is_clean(
    product: Stack, looked_at: tuple[Page, dict[str, str], Watch], theme: str, width: int
) -> None:
    page, paths, watch = looked_at
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    faults = []
    for name, path in paths.items():
        page.goto(product.dashboard + path)
        faults += [f"{name}: {violation}" for violation in axe_violations(page)]
        if scrolls_sideways(page):
            faults.append(f"{name}: scrolls sideways at {width} px")
    assert faults == []
    watch.check()
