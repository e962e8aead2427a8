"""Whether the tour leads past every page that the application has."""

from __future__ import annotations

from tests.e2e.tour import LEFT_OUT, LEGS


def test_every_page_is_on_the_tour(world):
    pages = {rule.rule for rule in world.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    seen = {rule for leg in LEGS for rule in leg.routes}

    assert pages - seen - set(LEFT_OUT) == set(), "neither a stop of the tour nor left out with a reason"
    assert seen - pages == set(), "on the tour, and no route"
    assert set(LEFT_OUT) - pages == set(), "left out, and no route"
    assert seen & set(LEFT_OUT) == set(), "left out, and on the tour all the same"
