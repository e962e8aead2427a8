"""Every page of somebody who works alone, in a real browser: clean for axe, not too wide, no violated policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e import main_job
from tests.e2e.chromium import axe_violations
from tests.e2e.every_page import faults_on
from tests.e2e.tour_work import WORK
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_every_page_at_work_is_clean(product: Stack, page: Page) -> None:
    faults = faults_on(WORK, page, product, "Ada Moreau")

    assert not faults, "\n".join(faults)


def test_the_busiest_pages_are_clean_on_a_phone(product: Stack, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    main_job.sign_in(page, product.dashboard, "Dev Kapoor")
    faults = []
    for path in ("/", "/keys", "/requests", "/data-controls", "/activity"):
        page.goto(product.dashboard + path)
        faults += [f"{path}: {violation}" for violation in axe_violations(page)]
    assert not faults, "\n".join(faults)
