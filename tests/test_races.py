"""Two at the same moment, by the pages, on both engines: one of them is first, and the other reads why not."""

from __future__ import annotations

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.domain import support
from anuma_dash.domain.owner_recovery import OwnerRecovery, OwnerRecoveryApproval, ask_recovery
from anuma_dash.domain.support import SupportGrant, SupportSession
from anuma_dash.identity import Membership
from anuma_dash.mail import Mail
from tests.at_once import at_once
from tests.features.people.steps import give_role, invite, role_of, set_address
from tests.features.support_access.steps import REASON, TICKET, ask, let_in, staff

INSIDE = "You are inside an account already. Stop that support session first."


def tabs(world, person, path, other=""):
    """Two tabs of one browser: the same session, each with a page of its own."""
    first = world.browser(person)
    second = world.browser()
    second.set_cookie(world.session_cookie, first.cookie(world.session_cookie))
    return first.visit(path), second.visit(other or path)


def both(world, pages, button, *fields):
    """Press the button on both pages at once, with what each has to say; the status of each, in their order."""
    said = fields or ({}, {})
    acts = [
        lambda page=page, words=words: page.submit(button, **words) for page, words in zip(pages, said, strict=True)
    ]
    return [page.status for page in at_once(world.db, *acts)]


def one_of_them(pages, words, status=409):
    """Exactly one was refused, in these words; returns the other's page."""
    refused = [page for page in pages if page.status == status]
    assert [page.status for page in pages if page not in refused] == [200]
    assert words in refused[0].text
    return next(page for page in pages if page not in refused)


def events(world, name):
    return len(world.rows(AuditEntry, event=name))


@pytest.mark.parametrize("where", ["two tabs", "two devices"])
def test_staff_who_open_the_same_customer_twice_at_once_are_inside_once(world, where):
    path = f"/staff/grants/{let_in(world).id}/session"
    devices = [world.browser(world.sam).visit(path) for _ in range(2)]
    pages = tabs(world, world.sam, path) if where == "two tabs" else devices
    words = {"reason": REASON, "ticket": TICKET}

    both(world, pages, "Open the support session", words, words)

    inside = one_of_them(pages, INSIDE)
    assert "Sam Ruiz of Anuma is looking into Northwind Labs" in inside.text
    assert len(world.rows(SupportSession)) == events(world, "support.session_started") == 1
    assert {row.user_id for row in world.rows(Mail, letter="support_started")} == {world.olive.id, world.ada.id}
    assert len(world.rows(Mail, letter="support_started")) == 2


def test_staff_who_open_two_customers_at_once_are_inside_one(world):
    """Two accounts have two locks."""
    grants = [let_in(world), let_in(world, by="strange")]
    pages = tabs(world, world.sam, *(f"/staff/grants/{grant.id}/session" for grant in grants))
    words = {"reason": REASON, "ticket": TICKET}

    both(world, pages, "Open the support session", words, words)

    inside = one_of_them(pages, INSIDE)
    (session,) = world.rows(SupportSession)
    assert ("Northwind Labs" in inside.one(".inside").text) == (session.account_id == world.northwind)


def test_a_role_changed_by_two_admins_at_once_is_changed_by_one(world):
    pages = [world.browser(person).visit(f"/people/{world.dev.id}/edit") for person in (world.olive, world.ada)]
    chosen = ["billing", "viewer"]

    statuses = both(world, pages, "Change the role", *({"role": role} for role in chosen))

    winner = chosen[statuses.index(200)]
    one_of_them(pages, f"The role changed meanwhile: Dev Kapoor is now {winner}")
    assert role_of(world, world.dev) == winner
    assert events(world, "member.role_changed") == len(world.rows(Mail, letter="role_changed")) == 1


def test_the_last_two_owners_demoted_in_two_tabs_at_once_leave_one(world):
    give_role(world, world.ada, "owner")
    pages = tabs(world, world.olive, f"/people/{world.olive.id}/edit", f"/people/{world.ada.id}/edit")

    statuses = both(world, pages, "Change the role", {"role": "admin"}, {"role": "admin"})

    assert statuses.count(200) == 1
    # Who is no owner any more may not rule owners; who is the last one stays one.
    assert {403, 409} & set(statuses)
    assert len(world.rows(Membership, account_id=world.northwind, role="owner")) == 1


def test_an_owner_who_leaves_while_she_removes_the_other_does_one_of_both(world):
    give_role(world, world.ada, "owner")
    leaving, removing = tabs(world, world.olive, "/people/leaving", f"/people/{world.ada.id}/removal")

    at_once(
        world.db,
        lambda: leaving.submit("Leave the account", keys="revoke"),
        lambda: removing.submit("Remove Ada Moreau", keys="revoke"),
    )

    assert len(world.rows(Membership, account_id=world.northwind, role="owner")) == 1
    assert events(world, "member.left") + events(world, "member.removed") == 1


def test_support_is_let_in_once_though_two_say_yes_at_once(world):
    question = ask(world)
    path = f"/support-access/requests/{question.id}/approval"
    pages = [world.browser(person).visit(path) for person in (world.olive, world.ada)]

    both(world, pages, "Let them in")

    one_of_them(pages, "This request waits for no answer any more.")
    assert [row.state for row in world.rows(SupportGrant)] == ["live"]
    assert events(world, "support.approved") == 1


def test_an_emergency_is_approved_once_though_it_is_sent_twice_at_once(world):
    words = {"reason": "Keys leak from this account", "ticket": "INC-1"}
    question = support.ask_for_emergency(world.services.context, staff(world, "ines"), world.northwind, **words)
    pages = tabs(world, world.theo, f"/staff/emergencies/{question.id}/approval")

    both(world, pages, "Approve emergency access")

    one_of_them(pages, "This request waits for no approval any more.")
    assert events(world, "support.emergency_approved") == 1
    assert len(world.rows(Mail, letter="support_emergency")) == 2


def recovery(world):
    words = {"reason": "Her provider was shut down", "ticket": "T-77"}
    email = world.strange.email
    row = ask_recovery(world.services.context, world.sam.actor, world.northwind, new_owner_email=email, **words)
    return f"/staff/recoveries/{row.id}/approval"


def test_two_who_approve_a_new_owner_at_once_start_the_delay_once(world):
    path = recovery(world)
    pages = [world.browser(person).visit(path) for person in (world.ines, world.theo)]

    assert both(world, pages, "Approve the new owner") == [200, 200]

    said = sorted("Approved by two." in page.text for page in pages)
    assert said == [False, True]
    assert [row.state for row in world.rows(OwnerRecovery)] == ["scheduled"]
    assert (events(world, "owner_recovery.approved"), events(world, "owner_recovery.scheduled")) == (2, 1)
    assert len(world.rows(Mail, letter="owner_recovery_notice")) == 3


def test_one_who_approves_twice_at_once_approves_once(world):
    pages = tabs(world, world.ines, recovery(world))

    both(world, pages, "Approve the new owner")

    one_of_them(pages, "Two administrators have to approve", status=403)
    assert len(world.rows(OwnerRecoveryApproval)) == 1
    assert [row.state for row in world.rows(OwnerRecovery)] == ["asked"]


def test_who_accepts_an_invitation_in_two_tabs_at_once_joins_once(world):
    path = invite(world, world.strange.email)
    pages = tabs(world, world.strange, path)

    assert both(world, pages, "Join Northwind Labs") == [200, 200]

    assert all("You belong to Northwind Labs now" in page.text for page in pages)
    assert len(world.rows(Membership, account_id=world.northwind, user_id=world.strange.id)) == 1
    assert events(world, "invitation.accepted") == 1


def test_an_invitation_is_for_one_though_two_have_its_address(world):
    """Two people of two providers, each of which has verified the address."""
    path = invite(world, world.strange.email)
    set_address(world, world.pria, world.strange.email)
    pages = [world.browser(person).visit(path) for person in (world.strange, world.pria)]

    both(world, pages, "Join Northwind Labs")

    one_of_them(pages, "This invitation has been used already.")
    assert sorted(role_of(world, person) or "" for person in (world.strange, world.pria)) == ["", "developer"]
    assert events(world, "invitation.accepted") == 1
