"""Every page in a real browser: nothing for axe, no sideways scrolling, no violated policy, in light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e import main_job, tour
from tests.e2e.chromium import COLOR_RULES, EVERY_RULE, axe_violations, scrolls_sideways
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_every_page_is_clean(product: Stack, page: Page) -> None:
    faults = []
    for stop in tour.stops(page, product):
        page.set_viewport_size({"width": 390, "height": 900})
        stop.go(page)
        if scrolls_sideways(page):
            faults.append(f"{stop.name}: scrolls sideways at 390 px")
        page.set_viewport_size({"width": 1280, "height": 900})
        stop.go(page)
        # The very same document in both: what a theme can change is colors.
        for theme, rules in (("light", EVERY_RULE), ("dark", COLOR_RULES)):
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
            faults += [f"{stop.name}, {theme}: {violation}" for violation in axe_violations(page, rules)]
    assert not faults, "\n".join(faults)


def test_the_busiest_pages_are_clean_on_a_phone(product: Stack, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    main_job.sign_in(page, product.dashboard, "Dev Kapoor")
    faults = []
    for path in ("/", "/keys", "/requests", "/data-controls", "/activity"):
        page.goto(product.dashboard + path)
        faults += [f"{path}: {violation}" for violation in axe_violations(page)]
    assert not faults, "\n".join(faults)
