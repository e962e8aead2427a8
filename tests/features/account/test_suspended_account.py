"""What the people of a suspended account see and can do, and what a suspended person can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anuma_dash.db import new_id
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.domain.suspensions import suspend_account, suspend_person, unsuspend_account
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import StaffRole

REASON = "Payment with a card that its holder reports as stolen."
CONTEST = "appeals@anuma.example"
OFF_LIMITS = ("/keys/new", "/account/edit", "/data-controls/prompt-logging/edit")


@pytest.fixture
def ines(world):
    """Ines, administrator of the service."""
    return replace(world.ines.actor, staff_roles=frozenset({StaffRole.ADMINISTRATOR}))


@pytest.fixture
def key(world):
    """A key of Dev's, with prompt logging on."""
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    context = world.services.context
    request_control(context, world.olive.actor, world.northwind, logging, enabled=True, accepted_sha256=accepted)
    new_key = NewKey(name="ci", created_by=world.dev.id)
    return world.gateway.create_key(world.dev.actor, world.northwind, new_key, str(new_id()))


def test_people_still_read_switch_off_revoke_and_delete_and_nothing_else(world, browse, ines, key):
    suspend_account(world.services.context, ines, world.northwind, reason=REASON, contest=CONTEST)
    page = browse(world.olive)
    for path in (
        "/",
        "/keys",
        "/requests",
        "/data-controls",
        "/deletions",
        "/activity",
        "/account",
        "/your-data",
        "/profile",
        "/sessions",
        "/sign-in-methods",
    ):
        assert page.visit(path).status == 200
        assert "This account is suspended" in page.text
        assert f"by {world.ines.name}. The reason: “{REASON}”" in page.text
        assert "Its API keys have stopped, in effect" in page.text
        assert CONTEST in page.text
    for path in OFF_LIMITS:
        refused = page.visit(path)
        assert refused.status == 403
        assert "This account is suspended. Until that ends, nobody may" in refused.text
    assert not page.visit("/keys").offers("New key")
    assert "Stopped by the suspension of" in page.text
    assert not page.offers("Activate ci")
    assert page.visit("/deletions/new").status == 200
    page.visit("/data-controls").submit("Prompt logging")
    assert "Prompt logging is off, confirmed by the gateway." in page.text
    refused = page.request("POST", f"/keys/{key.id}/activation", data={"csrf_token": page.csrf_token()})
    assert refused.status_code == 403
    page.visit(f"/keys/{key.id}/revocation").submit(f"Revoke {key.prefix}…{key.last_four}")
    assert world.chat(key.secret).json()["error"]["code"] == "revoked_api_key"
    assert "needs you: the account is suspended" in page.visit("/").text


def test_after_it_a_key_works_again_when_somebody_who_may_activates_it(world, browse, ines, key):
    suspend_account(world.services.context, ines, world.northwind, reason=REASON, contest=CONTEST)
    world.break_gateway()
    unsuspend_account(world.services.context, ines, world.northwind)
    page = browse(world.ada)
    assert page.visit("/keys").status == 503
    assert page.visit(f"/keys/{key.id}/activation").status == 503
    world.mend_gateway()
    dev = browse(world.dev).visit(f"/keys/{key.id}")
    assert "The gateway refuses this key" in dev.text
    assert "An owner or an admin can activate it again." in dev.text
    assert dev.visit(f"/keys/{key.id}/activation").status == 403
    page.visit("/keys").follow("Activate ci").submit(f"Activate {key.prefix}…{key.last_four}")
    assert "The gateway has confirmed that the key ci works again." in page.text
    assert world.chat(key.secret).status_code == 200
    again = page.request("POST", f"/keys/{key.id}/activation", data={"csrf_token": page.csrf_token()})
    assert again.status_code == 409
    assert "This key is not deactivated" in again.text
    strange = world.browser(world.strange).visit("/keys")
    form = {"csrf_token": strange.csrf_token()}
    assert strange.request("POST", f"/keys/{key.id}/activation", data=form).status_code == 404
    assert "Suspensions" in page.visit("/account").text


def test_the_banner_waits_for_the_gateway(world, browse, ines):
    world.break_gateway()
    suspend_account(world.services.context, ines, world.northwind, reason=REASON, contest=CONTEST)
    page = browse(world.vera).visit("/account")
    assert (
        "The gateway has not confirmed that its API keys have stopped; until it does, they may still work." in page.text
    )
    assert "have stopped, in effect" not in page.text
    world.mend_gateway()
    world.run_worker(seconds=25)
    assert "Its API keys have stopped, in effect" in page.reload().text


def test_a_suspended_person_is_nobody_until_they_may_sign_in_again(world, ines):
    suspend_person(world.services.context, ines, world.vera.id, reason=REASON)
    page = world.browser(world.vera)
    for path in ("/keys", "/account", "/activity", "/organizations/new", "/sign-in-methods"):
        assert page.request("GET", path).headers["Location"].startswith("/sign-in?next=")
    assert "This account is suspended" not in world.browser(world.olive).visit("/").text, "only she is"
