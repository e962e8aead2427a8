"""Every page of the site with something on it, for those who look at all of them: axe, widths, pictures, Lighthouse."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.e2e.stops import Stop
from tests.e2e.tour_people import PEOPLE
from tests.e2e.tour_staff import STAFF
from tests.e2e.tour_work import WORK
from tests.processes import Stack

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
LEGS = (WORK, PEOPLE, STAFF)
LEFT_OUT = {
    "/sign-in/<slug>": "leads to the provider",
    "/sign-in/<slug>/callback": "leads back from the provider; what it refuses is the stop suspended-person",
    "/sign-in-methods/providers/<uuid:identity_id>/removal": "takes a second provider: features/sign_in_methods",
    "/sessions/<uuid:session_id>": "a row for htmx; without it, leads to the list",
    "/healthz": "for machines",
    "/readyz": "for machines",
    "/metrics": "for machines",
    "/robots.txt": "for machines",
    "/.well-known/change-password": "leads to the sign-in methods",
    "/.well-known/security.txt": "a text file",
    "/static/<path:filename>": "files",
}
"""Routes that are no page to look at on the tour, and why."""


def stops(page: Page, product: Stack, person: str) -> Iterator[Stop]:
    """One person on every leg, one after the other."""
    for leg in LEGS:
        page.context.clear_cookies()
        yield from leg.walk(page, product, person)
