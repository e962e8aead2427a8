"""What must hold of every stop of a leg: clean for axe in light and dark, no sideways scrolling, each route seen."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.e2e.chromium import COLOR_RULES, EVERY_RULE, axe_violations, scrolls_sideways
from tests.e2e.stops import Leg, Stop
from tests.processes import Stack

PHONE = {"width": 390, "height": 900}
DESK = {"width": 1280, "height": 900}


def faults_on(leg: Leg, page: Page, product: Stack, person: str) -> list[str]:
    """Walk a leg as this person and look at every stop; what is wrong, a line each."""
    faults, unseen = [], set(leg.routes)
    for stop in leg.walk(page, product, person):
        faults += _faults_of(stop, page)
        route = leg.route_of(page.url)
        unseen.discard(route)
        if not route and stop.name not in leg.elsewhere:
            faults.append(f"{stop.name}: {page.url} is no route of the leg {leg.name}")
    return faults + [f"no stop at {rule}" for rule in sorted(unseen)]


def _faults_of(stop: Stop, page: Page) -> list[str]:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    stop.go(page)
    faults = [f"{stop.name}: scrolls sideways at 390 px"] if scrolls_sideways(page) else []
    page.set_viewport_size(DESK)  # type: ignore[arg-type]
    if stop.by_width:
        stop.go(page)
    # The very same document in all three: a width is layout alone, and what a theme can change is colors.
    for theme, rules in (("light", EVERY_RULE), ("dark", COLOR_RULES)):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        faults += [f"{stop.name}, {theme}: {violation}" for violation in axe_violations(page, rules)]
    return faults
