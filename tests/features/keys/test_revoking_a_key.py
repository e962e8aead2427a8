"""Revoking a key: it is said to be revoked when the gateway said so, and not before."""

from __future__ import annotations

import pytest

from anuma_dash.domain.key_revocations import KeyRevocation
from tests.features.keys.steps import events, fill_in, later_in_effect, make_key


def confirm(page, key, name="ci"):
    """Press through the question, as it stands on the page of either kind."""
    page.visit("/keys").follow(f"Revoke {name}")
    assert "Calls with this key are refused from the moment the gateway confirms." in page.text
    assert "It was last used" in page.text
    assert "This cannot be undone." in page.text
    return page.submit(f"Revoke {key.prefix}…{key.last_four}")


def test_olive_revokes_a_key(world, browse):
    key = make_key(world, world.olive)
    page = confirm(browse(world.olive), key)
    assert "Revoked · in effect" in page.text
    assert world.chat(key.secret).status_code == 401
    (row,) = page.visit("/keys").table("API keys")
    assert row["State"].startswith("Revoked · in effect")
    assert not page.offers("Revoke ci")
    assert events(world) == ["key.revocation_requested", "key.revoked"]
    (revocation,) = world.rows(KeyRevocation)
    assert revocation.in_effect_at == world.gateway.key(world.olive.actor, world.northwind, key.id).revoked_at


def test_olive_thinks_better_of_it(world, browse):
    make_key(world, world.olive)
    page = browse(world.olive).visit("/keys").follow("Revoke ci").follow("Keep it")
    assert "Active" in page.text
    assert events(world) == []


def test_without_an_answer_the_key_is_not_said_to_be_revoked(world, browse):
    page = fill_in(browse(world.olive))
    secret = page.one("#secret").text
    page.visit("/keys").follow("Revoke ci")
    world.break_gateway()
    page.submit(f"Revoke {secret[:15]}…{secret[-4:]}")
    assert "not confirmed by the gateway. Until it confirms, the key may still work." in page.text
    assert "Revoking: requested" in page.text
    assert "Revoked" not in page.text
    assert world.chat(secret).status_code == 200
    listed = page.visit("/keys")
    assert listed.status == 503
    assert "Keys cannot be shown" in listed.text
    assert "Revoking: requested" in listed.text
    world.mend_gateway()
    (row,) = page.visit("/keys").table("API keys")
    assert row["State"].startswith("Revoking, not confirmed")
    assert "the gateway has not confirmed that the key ci is revoked" in page.visit("/").text
    world.run_worker(seconds=3)
    (row,) = page.visit("/keys").table("API keys")
    assert row["State"].startswith("Revoked · in effect")
    assert world.chat(secret).status_code == 401
    assert events(world)[2:] == ["key.revocation_requested", "key.revoked"]


def test_while_the_gateway_is_silent_nobody_claims_that_a_revocation_is_in_effect(world, browse):
    """It may have been restored from yesterday's backup meanwhile: what it confirmed once is not what it does now."""
    page = fill_in(browse(world.olive))
    secret = page.one("#secret").text
    page.visit("/keys").follow("Revoke ci").submit(f"Revoke {secret[:15]}…{secret[-4:]}")
    path = page.visit("/keys").one("#key-list th a")["href"]
    assert "Revoked · in effect" in page.text
    world.break_gateway()
    assert "in effect" not in page.visit("/keys").text
    assert "Revoked when last confirmed" in page.visit(path).text
    assert "in effect" not in page.text


def test_the_line_of_a_key_asks_again_until_it_is_revoked(world, browse):
    page = fill_in(browse(world.olive))
    secret = page.one("#secret").text
    page.visit("/keys").follow("Revoke ci")
    world.break_gateway()
    page.submit(f"Revoke {secret[:15]}…{secret[-4:]}")
    world.mend_gateway()
    page.visit("/keys")
    line = f"#{page.select('#key-list tbody tr')[0]['id']}"
    page.poll(line)
    assert "Revoking, not confirmed" in page.text
    world.run_worker(seconds=3)
    page.poll(line)
    assert "Revoked · in effect" in page.text
    assert page.one(line).get("hx-trigger") is None


@pytest.mark.parametrize("fault", ["silent", "failing", "html", "truncated", "wrong-types", "huge", "refusing"])
def test_no_fault_of_the_gateway_revokes_a_key(world, fault):
    page = fill_in(world.browser(world.olive))
    secret = page.one("#secret").text
    page.visit("/keys").follow("Revoke ci")
    world.break_gateway(fault)
    page.submit(f"Revoke {secret[:15]}…{secret[-4:]}")
    assert "not confirmed by the gateway" in page.text
    assert "Revoked" not in page.text
    assert world.rows(KeyRevocation)[0].outcome == "pending"


def test_a_key_the_dashboard_does_not_know_is_not_promised_to_go(world):
    key = make_key(world, world.olive)
    page = world.browser(world.olive).visit(f"/keys/{key.id}/revocation")
    world.break_gateway()
    answer = page.request("POST", f"/keys/{key.id}/revocation", data={"csrf_token": page.csrf_token()})
    assert answer.status_code == 503
    assert world.rows(KeyRevocation) == []
    assert events(world) == []


def test_accepted_is_not_in_effect(world, browse, monkeypatch):
    key = make_key(world, world.olive)
    later_in_effect(world, monkeypatch)
    page = confirm(browse(world.olive), key)
    assert "not confirmed by the gateway. Until it confirms, the key may still work." in page.text
    assert "Revoked" not in page.text
    monkeypatch.undo()
    world.run_worker(seconds=3)
    assert "Revoked · in effect" in page.visit("/keys").text


def test_asking_twice_revokes_once(world, browse):
    key = make_key(world, world.olive)
    page = confirm(browse(world.olive), key)
    for _ in range(2):
        fields = {"csrf_token": page.csrf_token()}
        assert page.request("POST", f"/keys/{key.id}/revocation", data=fields).status_code == 303
    assert events(world) == ["key.revocation_requested", "key.revoked"]


def test_a_key_that_works_again_is_named_and_can_be_revoked_again(world, browse):
    key = make_key(world, world.olive)
    confirm(browse(world.olive), key)
    other = make_key(world, world.olive, "from an old backup")
    with world.db.transaction() as tx:  # the gateway of yesterday: this key was revoked, and is listed as working
        row = tx.get_one(KeyRevocation, world.rows(KeyRevocation)[0].id)
        row.key_id = other.id
    page = browse(world.olive).visit(f"/keys/{other.id}")
    assert "This key works again" in page.text
    confirm(page, other, "from an old backup")
    assert "Revoked · in effect" in page.text
    assert world.chat(other.secret).status_code == 401


def test_developers_revoke_their_own_keys_only(world, browse):
    theirs, own = make_key(world, world.olive, "theirs"), make_key(world, world.dev, "own")
    page = browse(world.dev).visit("/keys")
    assert {row["Name"] for row in page.table("API keys")} == {"theirs", "own"}
    assert not page.offers("Revoke theirs")
    assert page.request("GET", f"/keys/{theirs.id}/revocation").status_code == 404
    data = {"csrf_token": page.csrf_token()}
    assert page.request("POST", f"/keys/{theirs.id}/revocation", data=data).status_code == 404
    assert not page.visit(f"/keys/{theirs.id}").offers("Revoke")
    confirm(page, own, "own")
    assert "Revoked · in effect" in page.text
    assert world.chat(theirs.secret).status_code == 200


def test_a_developer_cannot_revoke_a_key_that_olive_made_here(world):
    page = fill_in(world.browser(world.olive))
    secret = page.one("#secret").text
    path = page.visit("/keys").one("#key-list th a")["href"] + "/revocation"
    dev = world.browser(world.dev).visit("/keys")
    assert dev.request("POST", path, data={"csrf_token": dev.csrf_token()}).status_code == 404
    assert world.chat(secret).status_code == 200


@pytest.mark.parametrize(("who", "status"), [("vera", 403), ("bill", 403), ("strange", 404)])
def test_others_cannot_revoke(world, who, status):
    key = make_key(world, world.olive)
    page = world.browser(world.people[who]).visit("/")
    path = f"/keys/{key.id}/revocation"
    assert page.request("GET", path).status_code == status
    assert page.request("POST", path, data={"csrf_token": page.csrf_token()}).status_code == status
    assert world.chat(key.secret).status_code == 200
    assert world.rows(KeyRevocation) == []
