"""Northwind's owner lost her identity provider: staff help, never alone, never at once, never in silence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete

from anuma_dash.audit import AuditDetail, AuditEntry
from anuma_dash.domain.closings import request_closing
from anuma_dash.domain.owner_recovery import (
    OWNER_RECOVERY,
    OwnerRecovery,
    OwnerRecoveryApproval,
    approve_recovery,
    ask_recovery,
    stop_recovery,
)
from anuma_dash.domain.suspensions import AccountSuspension
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.identity import Account, Membership, StaffMember, User

NEW_OWNER = "strange@elsewhere.example"
WORDS = {"reason": "Olive's provider was shut down", "ticket": "T-77"}


def ask(world, who="sam", email=NEW_OWNER, account_id=None, **words):
    actor = world.people[who].actor
    account_id = account_id or world.northwind
    return ask_recovery(world.services.context, actor, account_id, new_owner_email=email, **(WORDS | words))


def approve(world, who, row):
    return approve_recovery(world.services.context, world.people[who].actor, row.id)


def scheduled(world, email=NEW_OWNER):
    row = ask(world, email=email)
    approve(world, "ines", row)
    approve(world, "theo", row)
    return row


def role_of(world, person):
    found = world.rows(Membership, account_id=world.northwind, user_id=person.id)
    return found[0].role if found else None


def state(world):
    return world.rows(OwnerRecovery)[-1].state


def told(world):
    world.run_worker(seconds=2)
    return sorted(message.recipients[0] for message in world.mailbox.messages)


def recorded(world):
    details = {row.entry_id: row.body for row in world.rows(AuditDetail)}
    entries = [row for row in world.rows(AuditEntry, chain=world.northwind) if row.event.startswith("owner_recovery")]
    return [(row.event.partition(".")[2], row.actor_kind, details[row.id]["actor"]) for row in entries]


def test_two_who_did_not_ask_approve_everybody_is_told_and_after_three_days_there_is_an_owner(world):
    with world.db.transaction() as tx:
        tx.get_one(Account, world.northwind).contact_email = "office@northwind.example"
    row = ask(world, who="ines")
    with pytest.raises(NotAllowed, match="neither of them the one who asked"):
        approve(world, "ines", row)
    approve(world, "theo", row)
    with pytest.raises(NotAllowed, match="neither of them"):
        approve(world, "theo", row)
    with pytest.raises(NotAllowed, match="administrator"):
        approve(world, "sam", row)
    assert (state(world), told(world)) == ("asked", [])

    make_administrator(world, "pria", hours=240)
    approve(world, "pria", row)

    assert told(world) == [
        "ada@northwind.example",
        "office@northwind.example",
        "olive@northwind.example",
        "strange@elsewhere.example",
    ]
    message = world.mailbox.latest()
    assert str(message.parsed["Subject"]) == "An owner is about to be added to Northwind Labs"
    assert "strange@elsewhere.example" in message.content("plain")
    assert "provider was shut down" in message.content("html")
    world.clock.advance(hours=71, minutes=59)
    world.run_worker()
    assert (state(world), role_of(world, world.strange)) == ("scheduled", None)

    world.clock.advance(minutes=2)
    world.run_worker()

    assert (state(world), role_of(world, world.strange), role_of(world, world.olive)) == ("done", "owner", "owner")
    assert len(told(world)) == 8
    assert "Strange Okafor" in str(world.mailbox.latest().parsed["Subject"])
    assert recorded(world) == [
        ("asked", "staff", "Ines Duarte"),
        ("approved", "staff", "Theo Baum"),
        ("approved", "staff", "Pria Castellanos"),
        ("scheduled", "staff", "Pria Castellanos"),
        ("done", "worker", "Anuma"),
    ]


def take_roles(world, who):
    with world.db.transaction() as tx:
        tx.execute(delete(StaffMember).where(StaffMember.user_id == world.people[who].id))


def give_support(world, who):
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.people[who].id, role="support", created_at=world.clock.now))


def make_administrator(world, who, hours=24):
    with world.db.transaction() as tx:
        since = world.clock.now - timedelta(hours=hours)
        tx.add(StaffMember(user_id=world.people[who].id, role="administrator", created_at=since))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestOnOneEngine:
    def test_ada_stops_it_and_everybody_hears_that_too(self, world):
        row = scheduled(world)
        context = world.services.context
        with pytest.raises(NotAllowed, match="Your role here is viewer"):
            stop_recovery(context, world.vera.actor, world.northwind, row.id)
        with pytest.raises(NotFound):
            stop_recovery(context, world.strange.actor, world.elsewhere, row.id)

        stop_recovery(context, world.ada.actor, world.northwind, row.id)

        assert len(told(world)) == 6
        assert "Ada Moreau has stopped that" in world.mailbox.latest().content("plain")
        world.clock.advance(hours=100)
        world.run_worker()
        assert (state(world), role_of(world, world.strange)) == ("stopped", None)
        with pytest.raises(Conflict, match="not under way any more"):
            stop_recovery(context, world.ada.actor, world.northwind, row.id)

    def test_ada_stops_it_while_the_account_is_being_closed(self, world):
        row = scheduled(world)
        request_closing(world.services.context, world.olive.actor, world.northwind, typed_name="Northwind Labs")
        for person in (world.dev, world.bill, world.vera):
            assert not world.browser(person).visit("/people").offers("Stop this")
        page = world.browser(world.ada).visit("/people")
        assert not page.offers("Invite somebody"), "people are not managed meanwhile"

        page.submit("Stop this")

        assert f"{NEW_OWNER} does not become an owner" in page.text
        (found,) = world.rows(OwnerRecovery, id=row.id)
        assert (found.state, found.settled_by_name) == ("stopped", "Ada Moreau")

    def test_who_may_not_ask(self, world):
        for who in ("olive", "pria", "strange"):
            with pytest.raises(NotAllowed, match="needs the staff role"):
                ask(world, who)
        with world.db.transaction() as tx:
            tx.add(
                Membership(account_id=world.northwind, user_id=world.sam.id, role="viewer", created_at=world.clock.now)
            )
        with pytest.raises(NotAllowed, match="You belong to this account"):
            ask(world, "sam")
        assert world.rows(OwnerRecovery) == []

    @pytest.mark.parametrize(("name", "value"), [("email", "nobody"), ("reason", " "), ("ticket", "T" * 61)])
    def test_words_that_are_missing(self, world, name, value):
        with pytest.raises(Invalid):
            ask(world, **{name: value})

    def test_an_identity_of_ones_own_is_no_second_administrator(self, world):
        make_administrator(world, "pria", hours=23)
        row = ask(world)
        with pytest.raises(NotAllowed, match="administrator for 24 hours when it was asked for"):
            approve(world, "pria", row)
        world.clock.advance(days=2)
        with pytest.raises(NotAllowed, match="Another administrator has to approve"):
            approve(world, "pria", row)

    def test_an_identity_of_ones_own_does_not_ask_either(self, world):
        """Theo and Ines would be two, of whom one asked: three people it takes."""
        take_roles(world, "sam")
        give_support(world, "sam")
        with pytest.raises(Conflict, match="had the staff role support or administrator for 24 hours by then"):
            ask(world)
        world.clock.advance(hours=24)
        row = ask(world)
        take_roles(world, "sam")
        give_support(world, "sam")
        with pytest.raises(Conflict, match="Somebody else has to ask"):
            approve(world, "ines", row)
        assert world.rows(OwnerRecoveryApproval) == []

    @pytest.mark.parametrize("kind", ["suspended", "being closed"])
    def test_a_delay_in_which_the_owners_saw_nothing_does_not_count(self, world, kind):
        scheduled(world)
        world.clock.advance(hours=1)
        now = world.clock.now
        with world.db.transaction() as tx:
            if kind == "suspended":
                words = {"reason": "x" * 20, "contest": "y", "by_name": "Ines Duarte"}
                tx.add(AccountSuspension(account_id=world.northwind, at=now, ended_at=now, **words))
            else:
                tx.get_one(Account, world.northwind).closes_at = now + timedelta(days=30)
        world.clock.advance(hours=73)
        world.run_worker()

        (row,) = world.rows(OwnerRecovery)
        assert (row.state, role_of(world, world.strange)) == ("failed", None)
        assert kind in row.outcome
        assert ("failed", "worker", "Anuma") in recorded(world)

    def test_one_that_nobody_approves_does_not_block_the_account(self, world):
        first = ask(world)
        world.clock.advance(days=7, minutes=1)
        second = ask(world, "ines")
        (lapsed,) = world.rows(OwnerRecovery, id=first.id)
        assert (lapsed.state, lapsed.outcome) == ("failed", "nobody approved it in time")
        assert world.rows(OwnerRecovery, id=second.id)[0].state == "asked"

    def test_one_that_nobody_approves_stands_on_no_page_after_seven_days(self, world):
        ask(world)
        account = f"/staff/accounts/{world.northwind}"
        pages = {"olive": "/people", "sam": account, "ines": "/staff/approvals"}
        browsers = {name: world.browser(world.people[name]).visit(path) for name, path in pages.items()}
        assert f"{NEW_OWNER} may become an owner" in browsers["olive"].text
        assert not browsers["sam"].offers("Ask for a new owner")
        assert browsers["ines"].table("New owners")

        world.clock.advance(days=7, minutes=1)
        for name, browser in browsers.items():
            browser = world.browser(world.people[name]).visit(pages[name])
            assert NEW_OWNER not in browser.text
            assert name != "sam" or browser.offers("Ask for a new owner")

    def test_a_new_owner_that_waits_is_found_behind_many_that_are_settled(self, world):
        waiting = scheduled(world)
        with world.db.transaction() as tx:
            tx.add_all(
                OwnerRecovery(
                    account_id=world.elsewhere,
                    new_owner_email=f"{number}@elsewhere.example",
                    **WORDS,
                    state="stopped",
                    asked_by=world.sam.id,
                    asked_by_name="Sam Ruiz",
                    asked_at=world.clock.now,
                )
                for number in range(60)
            )
        page = world.browser(world.ines).visit("/staff/approvals")
        assert [row["New owner"] for row in page.table("New owners")] == [f"{NEW_OWNER} asked by Sam Ruiz"]
        page.follow("Stop the new owner of Northwind Labs").submit("Stop it")
        assert world.rows(OwnerRecovery, id=waiting.id)[0].state == "stopped"

    def test_one_at_a_time_and_not_for_ever(self, world):
        row = ask(world)
        with pytest.raises(Conflict, match="under way already"):
            ask(world, "ines")
        world.clock.advance(days=8)
        with pytest.raises(Conflict, match="cannot be approved any more"):
            approve(world, "ines", row)

    @pytest.mark.parametrize("status", ["suspended", "closed"])
    def test_an_account_that_is_not_active_gets_no_owner(self, world, status):
        row = scheduled(world)
        with world.db.transaction() as tx:
            tx.get_one(Account, world.northwind).status = status
        with pytest.raises(Conflict, match=status):
            ask(world, "ines", email="other@elsewhere.example")

        world.clock.advance(hours=73)
        world.run_worker()

        (found,) = world.rows(OwnerRecovery, id=row.id)
        assert (found.state, found.outcome) == ("failed", f"the account is {status}")

    def test_nobody_with_that_verified_address_yet(self, world):
        with world.db.transaction() as tx:
            for person in (world.strange, world.ada):
                tx.get_one(User, person.id).email_verified = False
        scheduled(world)
        assert told(world) == ["olive@northwind.example", NEW_OWNER], "Ada's address is merely claimed"
        world.clock.advance(hours=73)
        world.run_worker()
        assert (state(world), role_of(world, world.strange)) == ("scheduled", None)

        with world.db.transaction() as tx:
            tx.get_one(User, world.strange.id).email_verified = True
        world.clock.advance(minutes=2)
        world.run_worker()

        assert (state(world), role_of(world, world.strange)) == ("done", "owner")

    def test_a_step_that_is_run_twice_makes_one_owner_and_writes_once(self, world):
        """As if the worker had died right after its transaction, and the queue gave it the same attempt again."""
        row = scheduled(world)
        world.clock.advance(hours=73)
        for _ in range(2):
            OWNER_RECOVERY.step(world.services.context, row.id, world.rows(OwnerRecovery)[0].attempt)
            assert state(world) == "done"
        world.run_worker()

        assert len(world.rows(Membership, account_id=world.northwind, user_id=world.strange.id)) == 1
        assert [event for event, *_ in recorded(world)].count("done") == 1
        subjects = [str(message.parsed["Subject"]) for message in world.mailbox.messages]
        assert sum("Strange Okafor" in subject for subject in subjects) == 3, "Olive, Ada, and Strange, once each"

    def test_nobody_comes(self, world):
        scheduled(world, email="nobody@elsewhere.example")
        world.clock.advance(days=18)
        world.run_worker()

        assert state(world) == "failed"

    def test_the_owner_comes_back_through_another_provider_with_the_same_address(self, world):
        """She is another user then, because people are found by issuer and subject."""
        with world.db.transaction() as tx:
            tx.get_one(User, world.strange.id).email = world.olive.email
        scheduled(world, email=world.olive.email.upper())
        world.clock.advance(hours=73)
        world.run_worker()

        assert (state(world), role_of(world, world.strange)) == ("done", "owner")

    @pytest.mark.parametrize(("email", "why"), [("sam@anuma.example", "works for"), ("two@x.example", "more than one")])
    def test_who_does_not_become_an_owner(self, world, email, why):
        with world.db.transaction() as tx:
            for person in (world.strange, world.vera):
                tx.get_one(User, person.id).email = "two@x.example"
        scheduled(world, email=email)
        world.clock.advance(hours=73)
        world.run_worker()

        assert state(world) == "failed"
        assert why in world.rows(OwnerRecovery)[0].outcome
