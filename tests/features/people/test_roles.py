"""Roles are given, taken and raced for; there is always an owner."""

from __future__ import annotations

import threading

import pytest

from anuma_dash.errors import Conflict, NotAllowed, NotFound
from anuma_dash.features.people.departures import KeyWish, leave_account, remove_member
from anuma_dash.features.people.service import change_role
from anuma_dash.identity import Membership, Role
from anuma_dash.mail import Mail
from tests.features.people.steps import give_role, mails_to, role_of, set_address

ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def change(world, who, whom, new, expected):
    return change_role(world.services.context, who.actor, world.northwind, whom.id, role=new, expected=expected)


def test_ada_makes_dev_a_viewer(world, browse):
    dev = browse(world.dev).visit("/keys")
    assert dev.offers("New key") or dev.offers("Make the first key")
    page = browse(world.ada).visit("/people").follow("Change role of Dev Kapoor")
    assert "Dev Kapoor is developer now" in page.text
    assert "Owner" not in page.one("#role form").text
    page.submit("Change the role", role="viewer")

    assert page.heading == "People"
    assert "Dev Kapoor is now viewer, and was developer" in page.text
    assert {row["Name"]: row["Role"] for row in page.table("Members")}["Dev Kapoor"] == "Viewer"
    assert mails_to(world, world.dev) == ["You are now viewer in Northwind Labs"]
    assert dev.visit("/keys/new").status == 403
    assert "changed the role of Dev Kapoor from developer to viewer" in page.visit("/activity?what=people").text


def test_a_role_raced_by_two_admins(world, browse):
    olive, ada = (browse(one).visit(f"/people/{world.dev.id}/edit") for one in (world.olive, world.ada))
    olive.submit("Change the role", role="billing")
    ada.submit("Change the role", role="viewer")

    assert ada.status == 409
    assert "The role changed meanwhile: Dev Kapoor is now billing" in ada.text
    assert ada.one("input[value=viewer]").element.get("checked") is not None, "what was chosen is still there"
    assert role_of(world, world.dev) == "billing"
    ada.submit("Change the role")
    assert role_of(world, world.dev) == "viewer"


def race(*acts):
    """Do these at the same moment; returns what each came to."""
    ready, outcomes = threading.Barrier(len(acts)), {}

    def run(number, act):
        ready.wait()
        try:
            act()
            outcomes[number] = None
        except Exception as error:  # whatever it is, the test shall name it
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[number] for number in range(len(acts))]


def owners(world):
    return len(world.rows(Membership, account_id=world.northwind, role="owner"))


@pytest.mark.parametrize("how", ["each other", "themselves", "leaving", "removing"])
def test_two_owners_at_once_never_leave_the_account_without_one(world, how):
    give_role(world, world.ada, "owner")
    olive, ada, owner, admin = world.olive, world.ada, Role.OWNER, Role.ADMIN
    context, account = world.services.context, world.northwind
    acts = {
        "each other": [
            lambda: change(world, olive, ada, admin, owner),
            lambda: change(world, ada, olive, admin, owner),
        ],
        "themselves": [
            lambda: change(world, olive, olive, admin, owner),
            lambda: change(world, ada, ada, admin, owner),
        ],
        "leaving": [
            lambda: leave_account(context, olive.actor, account, wish=KeyWish()),
            lambda: leave_account(context, ada.actor, account, wish=KeyWish()),
        ],
        "removing": [
            lambda: remove_member(context, olive.actor, account, ada.id, expected=owner, wish=KeyWish()),
            lambda: remove_member(context, ada.actor, account, olive.id, expected=owner, wish=KeyWish()),
        ],
    }

    outcomes = race(*acts[how])

    assert [outcome is None for outcome in outcomes].count(True) == 1, outcomes
    assert owners(world) == 1


@ONE_ENGINE
class TestOneEngine:
    def test_the_last_owner_stays(self, world):
        page = world.browser(world.olive).visit("/people/leaving")
        assert "You are the last owner" in page.text
        assert not page.offers("Leave the account")
        form = {"csrf_token": page.visit("/people").csrf_token(), "keys": "revoke"}
        answer = page.request("POST", "/people/leaving", data=form)
        assert answer.status_code == 409
        page.visit(f"/people/{world.olive.id}/edit").submit("Change the role", role="admin")
        assert page.status == 409
        assert "this is the last one" in page.text
        assert page.one("input[value=admin]").element.get("checked") is not None
        assert owners(world) == 1

    def test_the_last_owner_in_two_tabs(self, world):
        give_role(world, world.ada, "owner")
        tabs = [world.browser(world.olive).visit(f"/people/{one.id}/edit") for one in (world.olive, world.ada)]
        tabs[1].submit("Change the role", role="admin")
        tabs[0].submit("Change the role", role="admin")

        assert tabs[0].status == 409
        assert (role_of(world, world.olive), role_of(world, world.ada)) == ("owner", "admin")

    def test_admins_do_not_rule_owners(self, world):
        page = world.browser(world.ada).visit("/people")
        assert not page.offers("Change role of Olive Lindqvist")
        assert page.visit(f"/people/{world.olive.id}/edit").status == 403
        assert page.visit(f"/people/{world.olive.id}/removal").status == 403
        for act in (
            lambda: change(world, world.ada, world.olive, Role.VIEWER, Role.OWNER),
            lambda: change(world, world.ada, world.dev, Role.OWNER, Role.DEVELOPER),
            lambda: change(world, world.ada, world.ada, Role.OWNER, Role.ADMIN),
            lambda: remove_member(
                world.services.context,
                world.ada.actor,
                world.northwind,
                world.olive.id,
                expected=Role.OWNER,
                wish=KeyWish(),
            ),
        ):
            with pytest.raises(NotAllowed, match="Only an owner"):
                act()
        form = {"csrf_token": page.visit("/people").csrf_token(), "role": "owner", "expected": "developer"}
        assert page.request("POST", f"/people/{world.dev.id}", data=form).status_code == 422

    def test_nobody_rises_by_themselves_and_what_was_taken_holds_at_once(self, world):
        change(world, world.ada, world.ada, Role.VIEWER, Role.ADMIN)
        # Ada's other request was let in while she was still an admin.
        with pytest.raises(NotAllowed, match="Your role here is viewer"):
            change(world, world.ada, world.ada, Role.ADMIN, Role.VIEWER)
        with pytest.raises(NotAllowed, match="Your role here is viewer"):
            change(world, world.ada, world.dev, Role.VIEWER, Role.DEVELOPER)
        assert role_of(world, world.ada) == "viewer"

    def test_the_others_may_not(self, world):
        for person in (world.dev, world.bill, world.vera):
            page = world.browser(person).visit("/people")
            assert {row["Name"].removesuffix(" you") for row in page.table("Members")} >= {"Olive Lindqvist"}
            assert not page.offers("Invite somebody")
            assert page.visit(f"/people/{world.dev.id}/edit").status == 403
            with pytest.raises(NotAllowed):
                change(world, person, world.dev, Role.VIEWER, Role.DEVELOPER)
        with pytest.raises(NotAllowed, match="do not belong"):
            change(world, world.strange, world.dev, Role.VIEWER, Role.DEVELOPER)
        with pytest.raises(NotFound):
            change(world, world.olive, world.strange, Role.VIEWER, Role.OWNER)

    def test_the_same_role_again_is_no_change(self, world):
        change(world, world.olive, world.dev, Role.DEVELOPER, Role.DEVELOPER)
        assert mails_to(world, world.dev) == []
        with pytest.raises(Conflict, match="changed meanwhile"):
            change(world, world.olive, world.dev, Role.DEVELOPER, Role.VIEWER)

    def test_an_address_that_is_not_verified_is_not_written_to_and_the_page_says_so(self, world):
        set_address(world, world.dev, world.dev.email, verified=False)
        page = world.browser(world.ada).visit(f"/people/{world.dev.id}/removal")
        assert "cannot be told by e-mail: they have no verified address" in page.text
        page.visit(f"/people/{world.dev.id}/edit")
        assert "They cannot be told by e-mail: they have no verified address." in page.text
        page.submit("Change the role", role="viewer")

        assert role_of(world, world.dev) == "viewer"
        assert world.rows(Mail) == []

    def test_a_fresh_sign_in_is_asked_for(self, world):
        page = world.browser(world.olive)
        world.clock.advance(minutes=11)
        for path in (f"/people/{world.dev.id}/edit", f"/people/{world.dev.id}/removal", "/people/invitations/new"):
            assert page.visit(path).path.startswith("/sign-in/reauthentication")
        assert page.visit("/people").heading == "People"
        page.submit("Admins may read stored content")
        assert page.path.startswith("/sign-in/reauthentication")

    def test_last_seen_is_a_day_and_never_is_said(self, world):
        world.browser(world.dev).visit("/people")
        rows = {row["Name"]: row for row in world.browser(world.vera).visit("/people").table("Members")}

        assert rows["Dev Kapoor"]["Last seen here"] == f"{world.clock.now:%b} {world.clock.now.day}"
        assert rows["Bill Tanaka"]["Last seen here"] == "never"
