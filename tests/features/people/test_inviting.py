"""Olive and Ada invite; whoever is invited sees to what, and joins with the verified address alone."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain.closings import request_closing
from anuma_dash.domain.invitations import Invitation
from anuma_dash.errors import DashboardError, Invalid
from anuma_dash.features.people import invitations
from anuma_dash.identity import Account, Membership, Role, User
from tests.features.people.steps import give_role, invite, link, role_of, set_address

ADDRESS = "strange@elsewhere.example"
ONE_ENGINE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def events(world):
    return [row.event for row in world.rows(AuditEntry, chain=world.northwind) if row.event.startswith("invitation.")]


def test_ada_invites_strange_who_joins(world, browse):
    page = browse(world.ada).visit("/people")
    assert "Nobody is invited" in page.text
    page.follow("Invite somebody", within=".heading")
    assert "Owner" not in [one.text for one in page.select("fieldset label")]
    page.submit("Send the invitation", email="")
    assert page.status == 422
    assert "Enter the address" in page.text
    page.submit("Send the invitation", email="no address", role="developer")
    assert "such as name@example.com" in page.text
    page.submit("Send the invitation", email=ADDRESS.upper(), role="developer")
    assert f"{ADDRESS} is invited as developer" in page.text
    (row,) = page.table("Invitations")
    assert (row["E-mail address"], row["Role"], row["Message"]) == (ADDRESS, "Developer", "not sent yet")
    path = link(world, ADDRESS)
    message = world.mailbox.latest()
    assert str(message.parsed["Subject"]) == "Ada Moreau invites you to Northwind Labs on Anuma"
    assert "manage API keys (own only)" in message.content("plain")
    assert page.visit("/people").table("Invitations")[0]["Message"] == "sent"
    assert path.rpartition("/")[2] not in {row.token_hash for row in world.rows(Invitation)}

    guest = browse(world.strange).visit(path)
    assert guest.heading == "Join Northwind Labs"
    assert "Ada Moreau invites you" in guest.text
    assert "As developer you may: read the overview and usage" in guest.text
    assert role_of(world, world.strange) is None, "opening the link does nothing"
    guest.submit("Join Northwind Labs")

    assert "You belong to Northwind Labs now" in guest.text
    assert guest.one(".account b").text == "Northwind Labs"
    assert role_of(world, world.strange) == "developer"
    assert [one["Name"] for one in guest.visit("/people").table("Members")][-1] == "Strange Okafor you"
    assert guest.visit(path).path == "/", "used, and mine"
    assert page.visit("/people").text.count("Nobody is invited") == 1
    assert events(world) == ["invitation.created", "invitation.accepted"]


@ONE_ENGINE
class TestOneEngine:
    def test_another_address_is_told_which_one_is_needed(self, world):
        path = invite(world, "robin@invited.example")
        page = world.browser(world.strange).visit(path)
        assert "This invitation is for r…@invited.example" in page.text
        assert "You are signed in as Strange Okafor, with strange@elsewhere.example" in page.text
        assert page.offers("Sign in as somebody else with Sandbox")
        assert "Northwind" not in page.text
        assert "Olive" not in page.text

        token = page.csrf_token()
        answer = page.request("POST", f"{path}/acceptance", data={"csrf_token": token})

        assert answer.status_code == 409
        assert "This invitation is for r…@invited.example" in answer.text
        set_address(world, world.strange, "robin@invited.example", verified=False)
        assert "which your provider has not verified" in page.visit(path).text
        assert page.request("POST", f"{path}/acceptance", data={"csrf_token": token}).status_code == 409
        set_address(world, world.strange, "Robin@Invited.example")
        assert page.visit(path).heading == "Join Northwind Labs"
        set_address(world, world.strange, None, verified=False)
        assert "your provider gave no address" in page.visit(path).text

    def test_a_letter_that_only_looks_the_same_is_another_address(self, world):
        path = invite(world, "kim@invited.example")
        set_address(world, world.strange, "\u212aim@invited.example")
        assert "This invitation is for k…@invited.example" in world.browser(world.strange).visit(path).text

    def test_while_the_account_is_being_closed_a_guest_reads_that(self, world):
        path = invite(world, ADDRESS)
        request_closing(world.services.context, world.olive.actor, world.northwind, typed_name="Northwind Labs")
        set_address(world, world.strange, ADDRESS)
        page = world.browser(world.strange).visit(path)
        assert "The account is being closed, so nobody can join it." in page.text
        assert "may not invite" not in page.text
        assert not page.offers("Join Northwind Labs")

    def test_a_suspended_person_invites_nobody(self, world):
        path = invite(world, ADDRESS, by=world.ada)
        with world.db.transaction() as tx:
            tx.get_one(User, world.ada.id).status = "suspended"
        set_address(world, world.strange, ADDRESS)
        assert "Who invited you may not invite any more" in world.browser(world.strange).visit(path).text

    def test_fifty_invitations_a_day_over_all_accounts(self, world, monkeypatch):
        monkeypatch.setattr(invitations, "MAILS_PER_INVITER", 1)
        with world.db.transaction() as tx:
            tx.add(
                Membership(account_id=world.elsewhere, user_id=world.ada.id, role="owner", created_at=world.clock.now)
            )
        context, role = world.services.context, Role.VIEWER
        invitations.invite(context, world.ada.actor, world.elsewhere, email="one@x.example", role=role)
        with pytest.raises(Invalid, match="You sent 1 invitations in the last 24 hours, over all your accounts"):
            invitations.invite(context, world.ada.actor, world.northwind, email="two@x.example", role=role)
        invitations.invite(context, world.olive.actor, world.northwind, email="two@x.example", role=role)

    def test_signed_out_it_says_who_must_sign_in_and_nothing_else(self, world):
        path = invite(world, "robin@invited.example")
        page = world.browser().visit(path)

        assert "for r…@invited.example" in page.text
        assert page.offers("Continue with Sandbox")
        assert page.one("form[action='/sign-in/sandbox'] input[name=next]")["value"] == path
        assert "Northwind" not in page.text
        answer = page.request("POST", f"{path}/acceptance", data={"csrf_token": page.csrf_token()})
        assert answer.headers["Location"].startswith("/sign-in")

    def test_a_link_works_once(self, world):
        path = invite(world, ADDRESS)
        first, second = world.browser(world.strange).visit(path), world.browser(world.strange).visit(path)
        first.submit("Join Northwind Labs")
        second.submit("Join Northwind Labs")
        assert "You belong to Northwind Labs now" in second.text, "the same person in another tab"
        assert events(world) == ["invitation.created", "invitation.accepted"]

        other = world.browser(world.sam).visit("/")
        set_address(world, world.sam, ADDRESS)
        assert "has been used already" in other.visit(path).text
        assert other.request("POST", f"{path}/acceptance", data={"csrf_token": other.csrf_token()}).status_code == 409
        assert role_of(world, world.sam) is None

    def test_it_expires_and_a_new_link_kills_the_old_one(self, world):
        old = invite(world, ADDRESS)
        world.clock.advance(days=7)
        guest = world.browser(world.strange).visit(old)
        assert "has expired" in guest.text
        assert not guest.offers("Join Northwind Labs")
        page = world.browser(world.ada).visit("/people")
        assert page.table("Invitations")[0]["State"] == "Expired"
        page.follow("Open the invitation of strange@elsewhere.example")
        page.submit("Send a new link")
        assert "A new link goes to strange@elsewhere.example" in page.text

        new = link(world, ADDRESS)

        assert new != old
        assert guest.visit(old).status == 404
        assert guest.visit(new).heading == "Join Northwind Labs"
        page.follow("Open the invitation of strange@elsewhere.example").submit("Revoke the invitation")
        assert "Its link does not work any more" in page.text
        assert "was revoked" in guest.visit(new).text
        assert events(world) == ["invitation.created", "invitation.renewed", "invitation.revoked"]

    def test_a_clock_that_is_set_back_lengthens_an_invitation_by_the_jump_and_no_more(self, world):
        """Decision 021: its end is the time that the message names, by whatever clock runs."""
        path = invite(world, ADDRESS)
        named = world.rows(Invitation)[0].expires_at
        for minutes, usable in ((7 * 24 * 60 - 5, True), (-10, True), (14, True), (2, False)):
            world.clock.advance(minutes=minutes)
            guest = world.browser(world.strange).visit(path)
            assert guest.offers("Join Northwind Labs") == usable == (world.clock.now < named)
        assert "has expired" in guest.text
        world.clock.advance(minutes=-10)
        world.browser(world.olive).visit(f"/people/invitations/{world.rows(Invitation)[0].id}").submit(
            "Revoke the invitation"
        )
        assert "was revoked" in guest.reload().text, "which needs no clock"

    def test_who_belongs_already_or_is_invited_already_is_not_invited_again(self, world):
        page = world.browser(world.olive).visit("/people/invitations/new")
        page.submit("Send the invitation", email="DEV@northwind.example", role="viewer")
        assert page.status == 422
        assert "Dev Kapoor has this address and belongs to the account already" in page.text
        invite(world, ADDRESS, browser=page)
        page.visit("/people/invitations/new").submit("Send the invitation", email=ADDRESS, role="viewer")
        assert "invited already" in page.text

        path = link(world, ADDRESS)
        give_role(world, world.strange, "viewer")

        guest = world.browser(world.strange).visit(path)
        assert "You belong to Northwind Labs already, as viewer" in guest.text
        token = guest.visit("/people").csrf_token()
        assert guest.request("POST", f"{path}/acceptance", data={"csrf_token": token}).status_code == 409
        assert role_of(world, world.strange) == "viewer"

    def test_owners_are_invited_by_owners(self, world):
        ada = world.browser(world.ada).visit("/people/invitations/new")
        form = {"csrf_token": ada.csrf_token(), "email": ADDRESS, "role": "owner"}
        assert ada.request("POST", "/people/invitations", data=form).status_code == 422
        path = invite(world, ADDRESS, "Owner")
        assert not ada.visit("/people").offers("Open the invitation of strange@elsewhere.example")

        give_role(world, world.ada, "owner")
        give_role(world, world.olive, "admin")

        assert "may not invite any more" in world.browser(world.strange).visit(path).text
        assert "Olive Lindqvist may not invite any more" in ada.visit("/people").table("Invitations")[0]["State"]

    def test_an_invitation_ends_with_the_right_of_who_invited(self, world):
        path = invite(world, ADDRESS, by=world.ada)
        give_role(world, world.ada, "viewer")

        guest = world.browser(world.strange).visit(path)

        assert "may not invite any more" in guest.text
        assert not guest.offers("Join Northwind Labs")

    def test_so_much_mail_a_day_and_no_more(self, world):
        page = world.browser(world.olive)
        invite(world, ADDRESS, browser=page)
        for _ in range(4):
            page.follow("Open the invitation of strange@elsewhere.example").submit("Send a new link")
        page.follow("Open the invitation of strange@elsewhere.example").submit("Send a new link")
        assert page.status == 422
        assert "enough invitations in the last 24 hours" in page.text
        world.clock.advance(hours=25)
        page = world.browser(world.olive).visit("/people")
        page.follow("Open the invitation of strange@elsewhere.example").submit("Send a new link")
        assert "A new link goes to" in page.text

    def test_the_mail_server_is_down(self, world):
        world.mailbox.answers["RCPT"] = "451 not now"
        page = world.browser(world.olive).visit("/people/invitations/new")
        page.submit("Send the invitation", email=ADDRESS, role="viewer")
        world.run_worker()
        assert page.visit("/people").table("Invitations")[0]["Message"] == "not sent yet"
        world.mailbox.answers["RCPT"] = "550 never"
        world.run_worker(seconds=3)
        assert page.visit("/people").table("Invitations")[0]["Message"] == "refused by the mail server"

    def test_so_many_invitations_of_one_account_a_day(self, world, monkeypatch):
        monkeypatch.setattr(invitations, "MAILS_PER_ACCOUNT", 1)
        page = world.browser(world.ada)
        invite(world, ADDRESS, browser=page)
        page.visit("/people/invitations/new").submit("Send the invitation", email="b@invited.example", role="viewer")

        assert page.status == 422
        assert "were sent in the last 24 hours" in page.text
        assert page.one("input[name=email]")["value"] == "b@invited.example", "nothing lost"
        assert len(world.rows(Invitation)) == 1

    @pytest.mark.parametrize("status", ["suspended", "closed"])
    def test_nobody_joins_an_account_that_is_not_active(self, world, status):
        path = invite(world, ADDRESS)
        with world.db.transaction() as tx:
            tx.get_one(Account, world.northwind).status = status
        page = world.browser(world.strange).visit(path)

        assert f"The account is {status}" in page.text
        token = page.csrf_token()
        assert page.request("POST", f"{path}/acceptance", data={"csrf_token": token}).status_code == 409
        with pytest.raises(DashboardError):
            invitations.invite(
                world.services.context, world.olive.actor, world.northwind, email="c@x.example", role=Role.VIEWER
            )
