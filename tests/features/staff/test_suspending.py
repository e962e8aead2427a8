"""Administrators suspend accounts and people, end that, and give an account an owner again."""

from __future__ import annotations

from anuma_dash.db import new_id
from anuma_dash.domain.owner_recovery import OwnerRecovery
from anuma_dash.domain.suspensions import AccountSuspension, PersonSuspension
from anuma_dash.identity import Account, StaffMember, User
from anuma_dash.mail import Mail
from anuma_dash.web.listing import PAGE_ROWS
from tests.features.people.steps import set_address

REASON = "Payment disputes of three cards in a week"
CONTEST = "appeals@anuma.example"


def path(world):
    return f"/staff/accounts/{world.northwind}"


def test_ines_suspends_an_account_with_her_name_a_reason_and_a_way_to_contest(world, browse):
    page = browse(world.ines).visit(path(world)).follow("Suspend")
    page.submit("Suspend the account", reason="Because", contest="")
    assert page.status == 422
    assert "Give a reason of 20 to 1,000 characters." in page.text
    page.submit("Suspend the account", reason=REASON, contest=CONTEST)

    assert "Northwind Labs is suspended. The gateway has confirmed that its keys have stopped." in page.text
    sheet = page.one("#suspension").text
    assert "Suspended by Ines Duarte" in sheet
    assert f"“{REASON}” and may write to {CONTEST}" in sheet
    assert "The gateway obeys this state since" in sheet
    page.visit(f"{path(world)}/suspension").submit("Suspend the account", reason=REASON, contest=CONTEST)
    assert page.status == 409
    assert "This account is suspended already." in page.text

    page.visit(path(world)).follow("End the suspension").submit("End the suspension")
    assert "Northwind Labs is suspended no more. Its keys stay stopped." in page.text
    assert "This account is not suspended." in page.text
    assert [row.ended_by_name for row in world.rows(AccountSuspension)] == ["Ines Duarte"]


def test_while_the_gateway_is_silent_nothing_is_said_to_have_stopped(world):
    world.break_gateway()
    page = world.browser(world.ines).visit(f"{path(world)}/suspension")
    page.submit("Suspend the account", reason=REASON, contest=CONTEST)
    assert "Northwind Labs is suspended here. The gateway has not confirmed it yet" in page.text
    assert "Until then its keys may work." in page.text
    assert "The gateway has not confirmed this state. It is told again until it does." in page.one("#suspension").text

    world.mend_gateway()
    world.run_worker(seconds=5)
    assert "The gateway obeys this state since" in page.reload().one("#suspension").text


def test_support_sees_that_an_account_is_suspended_and_suspends_none(world):
    page = world.browser(world.sam).visit(path(world))
    assert "This account is not suspended." in page.text
    assert not page.offers("Suspend")
    assert page.visit(f"{path(world)}/suspension").status == 404


def test_a_suspended_person_is_out_at_once_and_comes_back_when_it_ends(world, browse):
    victim = world.browser(world.strange).visit("/keys")
    page = browse(world.ines).visit("/staff/suspensions").follow("Suspend a person")
    page.submit("Suspend the person", email="nobody@elsewhere.example", reason=REASON)
    assert page.status == 422
    assert "Nobody who has signed in has this verified address." in page.text
    page.submit("Suspend the person", email=world.strange.email, reason=REASON)

    assert "Strange Okafor is suspended. 1 session ended." in page.text
    assert victim.request("GET", "/keys").status_code == 303
    assert page.table("Suspended people")[0]["Reason"] == REASON
    page.follow("End the suspension of Strange Okafor").submit("End the suspension")
    assert "Strange Okafor can sign in again." in page.text
    assert "Nobody is suspended" in page.text
    assert world.rows(User, id=world.strange.id)[0].status == "active"


def test_somebody_whose_address_is_verified_no_more_cannot_be_told_that_they_may_come_back(world):
    page = world.browser(world.ines).visit("/staff/suspensions/new")
    assert "They are told why by mail, if their address can be written to." in page.text
    page.submit("Suspend the person", email=world.strange.email, reason=REASON)
    set_address(world, world.strange, world.strange.email, verified=False)
    page.follow("End the suspension of Strange Okafor")
    assert "cannot be told by mail, because no verified e-mail address is known" in page.text
    page.submit("End the suspension")
    assert "Strange Okafor can sign in again, and cannot be told by mail" in page.text
    assert [row.letter for row in world.rows(Mail)] == ["person_suspended"]


def test_nobody_who_is_suspended_is_beyond_the_list(world, browse):
    with world.db.transaction() as tx:
        for number in range(PAGE_ROWS + 1):
            user = User(
                id=new_id(),
                name=f"Person {number:03}",
                status="suspended",
                created_at=world.clock.now,
                attested_age_at=world.clock.now,
            )
            tx.add(user)
            tx.flush()
            words = {"reason": REASON, "contest": CONTEST, "by_name": "Ines Duarte", "at": world.clock.now}
            tx.add(PersonSuspension(id=new_id(), user_id=user.id, sessions_ended=0, **words))
    page = browse(world.ines).visit("/staff/suspensions")
    assert len(page.table("Suspended people")) == PAGE_ROWS
    page.follow("Next page")
    assert [row["Person"] for row in page.table("Suspended people")] == ["Person 000"]
    page.follow("End the suspension of Person 000").submit("End the suspension")
    assert "Person 000 can sign in again" in page.text


def test_nobody_suspends_themselves_or_staff(world):
    for email, words in (
        (world.ines.email, "Nobody suspends themselves."),
        (world.sam.email, "This person works for the service. Take away their staff roles first."),
    ):
        page = world.browser(world.ines).visit("/staff/suspensions/new")
        page.submit("Suspend the person", email=email, reason=REASON)
        assert page.status == 403
        assert words in page.text
    assert world.rows(PersonSuspension) == []


def test_a_new_owner_takes_two_administrators_who_did_not_ask(world, browse):
    page = browse(world.sam).visit(path(world)).follow("Ask for a new owner")
    page.submit("Ask for a new owner", new_owner_email="olive", reason="Provider lost", ticket="T-3")
    assert page.status == 422
    page.submit("Ask for a new owner", new_owner_email="olive@northwind.example", reason="Provider lost", ticket="T-3")
    assert "Asked by Sam Ruiz" in page.one("#recovery").text
    assert "0 of 2 approvals" in page.one("#recovery").text

    first = browse(world.ines).visit("/staff/approvals").follow("Approve the new owner of Northwind Labs")
    assert "Whoever signs in with the verified address olive@northwind.example becomes an owner." in first.text
    first.submit("Approve the new owner")
    assert "Approved. One more administrator has to." in first.text
    assert not first.offers("Approve the new owner of Northwind Labs"), "she has approved"
    recovery = world.rows(OwnerRecovery)[0]
    first.visit(f"/staff/recoveries/{recovery.id}/approval").submit("Approve the new owner")
    assert first.status == 403
    second = browse(world.theo).visit(f"/staff/recoveries/{recovery.id}/approval").submit("Approve the new owner")
    assert "Approved by two. Everybody who is known to the account is written to now." in second.text
    assert "Takes effect" in second.table("New owners")[0]["State"]
    second.follow("Stop the new owner of Northwind Labs").submit("Stop it")
    assert "It is stopped." in second.text
    assert world.rows(OwnerRecovery)[0].state == "stopped"


def test_a_fresh_sign_in_is_asked_for_before_each_of_these(world):
    browser = world.browser(world.ines)
    world.clock.advance(minutes=11)
    for act in ("suspension", "reinstatement", "recovery", "emergency"):
        assert browser.visit(f"{path(world)}/{act}").heading == "Confirm that it is you", act
    assert browser.visit("/staff/suspensions/new").heading == "Confirm that it is you"


def test_an_administrator_of_the_service_who_belongs_to_the_account_leaves_it_alone(world):
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.ada.id, role="administrator", created_at=world.clock.now))
    page = world.browser(world.ada).visit(f"{path(world)}/suspension")
    page.submit("Suspend the account", reason=REASON, contest=CONTEST)
    assert page.status == 403
    assert "You belong to this account." in page.text
    assert world.rows(Account, id=world.northwind)[0].status == "active"
