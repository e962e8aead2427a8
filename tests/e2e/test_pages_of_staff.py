"""Every page of staff, and what customers see of them, as `test_pages_at_work.py` looks at the others."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e.every_page import faults_on
from tests.e2e.tour_staff import STAFF
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_every_page_of_staff_is_clean(product: Stack, page: Page) -> None:
    faults = faults_on(STAFF, page, product, "Tomas Weiss")

    assert not faults, "\n".join(faults)
