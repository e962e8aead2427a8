"""Every page about people and their accounts in a real browser, as `test_pages_at_work.py` looks at the others."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.e2e.every_page import faults_on
from tests.e2e.tour_people import PEOPLE
from tests.processes import Stack

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_every_page_of_people_is_clean(product: Stack, page: Page) -> None:
    faults = faults_on(PEOPLE, page, product, "Noor Haddad")

    assert not faults, "\n".join(faults)
