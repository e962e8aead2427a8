"""The list of requests: what was metered, filtered by what the address says."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.features.requests.steps import ask, make_key, switch_logging

CAPTION = "Requests, newest first"


def test_an_empty_log_says_how_to_begin(world, browse):
    page = browse(world.olive).visit("/requests")
    assert page.heading == "Request log"
    assert "No requests yet" in page.text
    assert page.follow("Look at your keys").heading == "API keys"


def test_a_call_shows_up_with_its_facts(world, browse):
    ask(world, make_key(world, world.dev, "laptop"), "hello there")
    page = browse(world.vera).visit("/requests")
    (row,) = page.table(CAPTION)
    assert (row["Model"], row["Key"], row["Cost"]) == ("anuma/echo", "laptop", "$0")
    assert (row["Status"], row["Content"]) == ("200 OK", "not stored")
    assert int(row["Tokens"]) > 0
    assert row["Latency"].endswith("ms")
    assert "hello there" not in page.text


def test_filters_live_in_the_address(world, browse):
    one, two = make_key(world, world.olive, "one"), make_key(world, world.olive, "two")
    ask(world, one)
    ask(world, two)
    ask(world, two, model="no/such-model")
    page = browse(world.olive).visit("/requests")
    assert len(page.table(CAPTION)) == 3
    page.submit("Filter", key=str(two.id))
    assert [row["Key"] for row in page.table(CAPTION)] == ["two", "two"]
    page.submit("Filter", key=str(two.id), status="4xx")
    (row,) = page.table(CAPTION)
    assert row["Status"] == "404 refused"
    assert f"key={two.id}" in page.path
    assert "status=4xx" in page.path
    same = page.visit(page.path)
    assert len(same.table(CAPTION)) == 1
    assert same.one("option[selected][value='4xx']").text == "4xx refused"
    page.follow("Clear")
    assert len(page.table(CAPTION)) == 3
    page.submit("Filter", model="anuma/echo")
    assert len(page.table(CAPTION)) == 2
    page.submit("Filter", model="", content="stored")
    assert "No requests match" in page.text
    page.follow("Clear the filters")
    assert len(page.table(CAPTION)) == 3


def test_stored_and_not_stored(world, browse):
    key = make_key(world, world.olive)
    ask(world, key)
    switch_logging(world, enabled=True)
    ask(world, key)
    page = browse(world.olive).visit("/requests?content=stored")
    assert [row["Content"] for row in page.table(CAPTION)] == ["stored"]
    page.visit("/requests?content=not_stored")
    assert [row["Content"] for row in page.table(CAPTION)] == ["not stored"]


def test_days_are_the_persons_own_and_the_last_is_included(world, browse):
    ask(world, make_key(world, world.olive))
    today = world.clock().date()
    page = browse(world.olive)
    for first, last, count in ((0, 0, 1), (-3, 0, 1), (-3, -1, 0), (1, 2, 0)):
        days = [(today + timedelta(days=offset)).isoformat() for offset in (first, last)]
        page.visit("/requests").submit("Filter", **{"from": days[0], "to": days[1]})
        assert ("No requests match" in page.text) == (count == 0)


def test_what_cannot_be_read_is_named(world, browse):
    ask(world, make_key(world, world.olive))
    page = browse(world.olive).visit("/requests?status=9xx&from=yesterday&to=0001-01-01&key=x&content=%3Cb%3E")
    assert "Left out, because it could not be read: key, status, content, from, to." in page.text
    assert len(page.table(CAPTION)) == 1


def test_tests_are_hidden_until_asked_for(world, browse):
    key = make_key(world, world.olive)
    assert "No requests yet" in browse(world.olive).visit("/requests").text
    from anuma_dash.gateway.schemas import NewCanary

    world.server.client.test_control(world.olive.actor, world.northwind, NewCanary(key_id=key.id), str(uuid4()))
    page = browse(world.olive).visit("/requests")
    assert "No requests yet" in page.text
    page.submit("Filter", tests=True)
    assert page.table(CAPTION)[0]["Model"] == "anuma/echo test"


def test_a_long_log_is_on_several_pages(world, browse):
    key = make_key(world, world.olive)
    for _ in range(52):
        world.chat(key.secret)
    page = browse(world.olive).visit(f"/requests?key={key.id}")
    assert len(page.table(CAPTION)) == 50
    page.follow("Next page")
    assert len(page.table(CAPTION)) == 2
    assert f"key={key.id}" in page.path
    page.follow("First page")
    assert len(page.table(CAPTION)) == 50


@pytest.mark.parametrize("fault", ["down", "silent", "dripping", "failing", "html", "truncated", "wrong-types", "huge"])
def test_without_the_gateway_no_request_is_shown(world, fault):
    request_id = ask(world, make_key(world, world.olive))
    page = world.browser(world.olive)
    world.break_gateway(fault)
    assert page.visit("/requests").status == 503
    assert "Requests cannot be shown" in page.text
    assert page.request("GET", f"/requests/{request_id}").status_code == 503
    assert page.request("GET", f"/requests/{request_id}/content").status_code == 503
    world.mend_gateway()
    assert len(page.follow("Try again").table(CAPTION)) == 1


def test_a_key_name_is_only_text(world, browse):
    ask(world, make_key(world, world.olive, '<img src=x hx-get="/x">'))
    page = browse(world.olive).visit("/requests")
    assert page.table(CAPTION)[0]["Key"] == '<img src=x hx-get="/x">'
    assert page.select("img[src=x]") == []


def test_the_log_of_others_is_not_there(world, browse):
    key = make_key(world, world.olive)
    ask(world, key)
    assert "No requests match" in browse(world.strange).visit(f"/requests?key={key.id}").text
    assert world.browser(world.bill).request("GET", "/requests").status_code == 403
    assert world.browser(world.olive).request("GET", "/requests?after=x").status_code == 404
