"""A backup of the dashboard was restored: whom it let in may not be let in any more, so nobody gets in silently."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.invitations import Invitation
from anuma_dash.domain.owner_recovery import ask_recovery
from anuma_dash.domain.restoring import reconcile
from anuma_dash.domain.support import SupportGrant
from anuma_dash.features.people.confirmations import confirm_members
from anuma_dash.identity import Account, Membership
from tests.features.people.steps import give_role, invite, mails_to, set_address
from tests.features.support_access.steps import ask, let_in, staff

WAITS = "waits to be confirmed"


def restored(world):
    """What the operator's command does with the account."""
    return reconcile(world.services.context, world.northwind)


def waiting(page):
    return [row["Name"] for row in page.visit("/people").table("Members") if WAITS in row["Role"]]


def test_members_wait_until_an_owner_has_looked_at_them(world, browse):
    found = restored(world)
    assert (found.held, found.invitations) == (4, 0)
    for person in (world.ada, world.dev, world.bill, world.vera):
        page = browse(person).visit("/")
        assert "Northwind Labs waits for an owner to confirm you" in page.text
        assert "You belong to no account that you could open" in page.text
        assert page.request("GET", "/people").status_code == 403
    assert mails_to(world, world.olive) == ["Confirm who belongs to Northwind Labs"]
    assert mails_to(world, world.ada) == []

    page = browse(world.olive).visit("/")
    assert "4 members wait to be confirmed" in page.text
    page.follow("People", within=".banners")
    assert "Look at each of them, and at the owners, who do not wait." in page.text
    assert waiting(page) == [world.ada.name, world.dev.name, world.bill.name, world.vera.name]
    page.submit(f"Confirm {world.ada.name} as admin")
    assert f"{world.ada.name}: confirmed." in page.text
    page.follow(f"Remove {world.vera.name}").submit(f"Remove {world.vera.name}")
    assert waiting(page) == [world.dev.name, world.bill.name]

    ada = browse(world.ada).visit("/people")
    assert "2 members wait to be confirmed" in ada.text
    ada.submit("Confirm all of them")
    assert waiting(ada) == []
    assert not ada.offers("Confirm all of them")
    assert browse(world.dev).visit("/keys").status == 200
    assert "You belong to no account" in browse(world.vera).visit("/").text
    said = page.visit("/activity").text
    assert "let 4 members wait until somebody confirms them, because a backup of the dashboard was restored" in said
    assert f"confirmed {world.dev.name} as developer" in said


def test_whoever_waits_confirms_nobody_and_hears_nothing(world):
    restored(world)
    with pytest.raises(Exception, match="You do not belong to this account any more"):
        confirm_members(world.services.context, world.ada.actor, world.northwind)
    page = world.browser(world.ada).visit("/profile")
    for path in ("/people/confirmations", f"/people/{world.ada.id}/confirmation"):
        assert page.request("POST", path, data={"csrf_token": page.csrf_token()}).status_code == 403
    (row,) = page.visit("/profile").table("Your accounts")
    assert row["State"].startswith("waits to be confirmed Since ")
    ask(world)
    assert mails_to(world, world.ada) == []
    assert sorted(mails_to(world, world.olive)) == [
        "Confirm who belongs to Northwind Labs",
        "Sam Ruiz of Anuma asks to look into Northwind Labs",
    ]
    strange = world.browser(world.strange).visit("/people")
    form = {"csrf_token": strange.csrf_token()}
    assert strange.request("POST", f"/people/{world.ada.id}/confirmation", data=form).status_code == 404
    assert all(row.on_hold_since for row in world.rows(Membership, account_id=world.northwind, role="admin"))


def test_what_lets_people_in_is_over(world):
    path = invite(world, "newcomer@invited.example")
    let_in(world)
    ask(world)
    context = world.services.context
    ask_recovery(
        context,
        staff(world, "sam"),
        world.northwind,
        new_owner_email="new@northwind.example",
        reason="Nobody can sign in any more.",
        ticket="T-9",
    )
    with world.db.transaction() as tx:
        tx.get_one(Account, world.northwind).admins_read_content = True

    assert restored(world).invitations == 1
    assert {row.state for row in world.rows(SupportGrant)} == {"ended"}
    assert [row.state for row in world.rows(Invitation)] == ["revoked"]
    set_address(world, world.strange, "newcomer@invited.example")
    assert "This invitation was revoked." in world.browser(world.strange).visit(path).text
    (account,) = world.rows(Account, id=world.northwind)
    assert not account.admins_read_content
    page = world.browser(world.olive).visit("/people")
    assert "new@northwind.example may become an owner" not in page.text
    said = page.visit("/activity").text
    assert "new@northwind.example did not become an owner: a backup of the dashboard was restored" in said
    assert "revoked the invitation of newcomer@invited.example as developer" in said
    assert restored(world).invitations == 0, "once is enough"


def test_an_account_of_owners_alone_has_nobody_to_confirm(world):
    assert reconcile(world.services.context, world.elsewhere).held == 0
    assert world.rows(AuditEntry, event="member.held") == []
    page = world.browser(world.strange).visit("/people")
    assert WAITS not in page.text


def test_owners_do_not_wait_and_are_told_each(world, browse):
    give_role(world, world.ada, "owner")
    assert restored(world).held == 3
    for owner in (world.olive, world.ada):
        assert mails_to(world, owner) == ["Confirm who belongs to Northwind Labs"]
        assert "3 members wait to be confirmed" in browse(owner).visit("/account").text
