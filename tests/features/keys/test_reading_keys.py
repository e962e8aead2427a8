"""The list of keys and the page of one: what the gateway says, and nothing when it says nothing."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.features.keys.steps import make_key


def test_states_of_keys(world, browse):
    now = world.clock()
    make_key(world, world.olive, "expired", expires_at=now - timedelta(days=1))
    make_key(world, world.dev, "soon", expires_at=now + timedelta(days=5, minutes=1))
    make_key(world, world.olive, "later", expires_at=now + timedelta(days=60))
    page = browse(world.vera).visit("/keys")
    states = {row["Name"]: (row["State"], row["Created by"], row["Last used"]) for row in page.table("API keys")}
    assert states == {
        "expired": ("Expired", "Olive Lindqvist", "never"),
        "soon": ("Expires in 5 days", "Dev Kapoor", "never"),
        "later": ("Active", "Olive Lindqvist", "never"),
    }
    assert "metered, not charged yet" in page.text


def test_one_key(world, browse):
    key = make_key(world, world.dev, "laptop")
    page = browse(world.vera).visit("/keys").follow("laptop")
    assert page.heading == "laptop"
    assert "Dev Kapoor" in page.text
    assert "metered, not charged yet" in page.text
    assert 'os.environ["ANUMA_API_KEY"]' in page.text
    page.follow("Its requests")
    assert page.path == f"/requests?key={key.id}"


def test_many_keys_are_on_several_pages(world, browse):
    for number in range(52):
        make_key(world, world.olive, f"key {number}")
    page = browse(world.olive).visit("/keys")
    assert len(page.table("API keys")) == 50
    page.follow("Next page")
    assert [row["Name"] for row in page.table("API keys")] == ["key 1", "key 0"]
    assert not page.offers("Next page")
    page.follow("First page")
    assert page.table("API keys")[0]["Name"] == "key 51"


@pytest.mark.parametrize("fault", ["down", "silent", "dripping", "failing", "html", "truncated", "wrong-types", "huge"])
def test_without_the_gateway_no_key_is_shown(world, fault):
    key = make_key(world, world.olive)
    page = world.browser(world.olive)
    world.break_gateway(fault)
    assert page.visit("/keys").status == 503
    assert "Keys cannot be shown" in page.text
    assert "Data controls, deletions and activity still open." in page.text
    assert key.last_four not in page.text
    assert page.request("GET", f"/keys/{key.id}").status_code == 503


def test_trying_again_brings_the_list(world, browse):
    make_key(world, world.olive)
    page = browse(world.olive)
    world.break_gateway()
    page.visit("/keys")
    world.mend_gateway()
    page.follow("Try again")
    assert page.table("API keys")[0]["Name"] == "ci"


def test_keys_of_others_do_not_exist(world, browse):
    key = make_key(world, world.olive)
    page = browse(world.strange)
    assert "No keys yet" in page.visit("/keys").text
    foreign, missing = (page.request("GET", f"/keys/{found}") for found in (key.id, uuid4()))
    assert foreign.status_code == missing.status_code == 404
    assert page.request("GET", "/keys?after=x").status_code == 404


def test_who_may_not_read_keys(world):
    page = world.browser(world.bill)
    assert page.request("GET", "/keys").status_code == 403
    assert not page.visit("/").offers("API keys")


def test_viewers_are_not_told_to_make_keys(world, browse):
    page = browse(world.vera).visit("/keys")
    assert "No keys yet" in page.text
    assert not page.offers("Make the first key")
