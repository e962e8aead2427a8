"""Closing an account: what it says before, the 14 days in which it can be undone, and the end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anuma_dash.audit import AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.closings import (
    AccountClosing,
    advance_closing,
    closing_of,
    request_closing,
    undo_closing,
    wake_closings,
)
from anuma_dash.domain.controls import CONTROLS, request_control
from anuma_dash.domain.deletions import Deletion
from anuma_dash.domain.disclosures import current_disclosure
from anuma_dash.domain.restoring import reconcile
from anuma_dash.errors import Conflict, Invalid, NotAllowed
from anuma_dash.gateway.schemas import Credit, CreditBody, NewKey
from anuma_dash.identity import WORKER, Account, Membership, User
from tests.features.account.shared import facts
from tests.processes import wait_until

NAME = "Northwind Labs"
OVER = {"days": 14, "seconds": 1}


@pytest.fixture
def key(world):
    """A key of Dev's, under which one prompt is stored."""
    new_key = NewKey(name="ci", created_by=world.dev.id)
    made = world.gateway.create_key(world.dev.actor, world.northwind, new_key, str(new_id()))
    logging = CONTROLS["prompt_logging"]
    accepted = current_disclosure(logging.name).sha256
    context = world.services.context
    request_control(context, world.olive.actor, world.northwind, logging, enabled=True, accepted_sha256=accepted)
    assert world.chat(made.secret, "what is stored").status_code == 200
    return made


def letters(world):
    """Who was mailed what; that logging was switched on, which comes before, is another story."""
    world.run_worker()
    return sorted((*one.recipients, one.subject) for one in world.mailbox.messages if "switched on" not in one.subject)


def closing(world):
    (row,) = world.rows(AccountClosing)
    return row


def finish(world):
    """Let the worker go on until the account is closed; the gateway deletes in its own time."""

    def closed():
        world.run_worker(seconds=1)
        return closing(world).state == "closed"

    wait_until(closed, "the account is closed")


def step(world):
    """The worker's step, as if it had been begun again."""
    context = world.services.context
    with world.db.transaction() as tx:
        wake_closings(tx, world.clock.now)
    row = closing(world)
    advance_closing(context, row.id, row.attempt)


def test_an_owner_closes_the_account_and_everybody_sees_what_is_true(world, browse, key):
    page = browse(world.olive).visit("/account").follow("Close the account")
    said = page.text
    assert "1 active key stops, in effect as soon as the gateway confirms" in said
    assert (
        "4 other people are mailed now. You can all sign in and read until the stored content is verified as deleted"
        in said
    )
    assert "1 stored request" in said
    assert "not kept yet. Nothing was paid into this account here." in said
    assert "billing records once there are any" in said
    assert "the entries without them stay" in said
    assert "You will belong to no account" in said

    page.submit("Close this account", name="Northwind")
    assert page.status == 422
    assert f"Type the account's name as it stands here: {NAME}" in page.text
    assert world.rows(AccountClosing) == []
    assert world.chat(key.secret).status_code == 200
    page.submit("Close this account", name=f" {NAME} ")
    assert page.path == "/account"
    assert "This account is being closed" in page.text
    assert "Its API keys have stopped, in effect" in page.text
    assert world.chat(key.secret).json()["error"]["code"] == "account_suspended"
    assert letters(world) == sorted(
        (person.email, f"{NAME} is to be closed")
        for person in (world.olive, world.ada, world.dev, world.bill, world.vera)
    )

    seen = browse(world.dev).visit("/")
    assert "This account is being closed" in seen.text
    assert "the stored content of the account is deleted in 14 days" in seen.text
    assert "This account is being closed. Until that ends, nobody may make API keys." in seen.visit("/keys/new").text
    assert browse(world.ada).visit("/requests").status == 200
    assert not browse(world.ada).visit("/account").offers("Do not close it")

    page.submit("Do not close it")
    assert "The account is not closed. Its API keys stay deactivated" in page.text
    assert "being closed" not in page.visit("/").text
    world.run_worker()
    told = [one.recipients for one in world.mailbox.messages if one.subject == f"{NAME} is not closed"]
    assert len(told) == 5
    assert world.chat(key.secret).json()["error"]["code"] == "deactivated_api_key"
    page.visit("/keys").follow("Activate ci")
    assert "Stopped by the closing of" in page.text
    page.submit(f"Activate {key.prefix}…{key.last_four}")
    assert "The gateway has confirmed that the key ci works again." in page.text
    assert world.chat(key.secret).status_code == 200
    said = page.visit("/activity").text
    assert "asked to close the account" in said
    assert "stopped the closing of the account" in said
    assert f"asked to activate the key ci (…{key.last_four}) again" in said


def test_after_fourteen_days_the_content_goes_and_then_the_account_is_closed(world, key):
    page = world.browser(world.olive)
    request_closing(world.services.context, world.olive.actor, world.northwind, typed_name=NAME)
    world.run_worker()
    world.mailbox.reset()
    world.clock.advance(days=11)
    assert letters(world) == [(world.olive.email, f"{NAME} is closed soon")]
    assert letters(world) == [(world.olive.email, f"{NAME} is closed soon")], "once"
    world.clock.advance(days=2, hours=23)
    page = world.browser(world.olive)
    assert "the stored content of the account is deleted in less than a day" in page.visit("/").text
    assert page.offers("Look or stop it")
    world.clock.advance(hours=2)
    assert "The time to stop it is over" in page.visit("/account").text
    assert not page.offers("Do not close it")
    finish(world)
    (deletion,) = world.rows(Deletion)
    assert (deletion.state, deletion.result.done, deletion.proved) == ("verified", 1, True)
    assert world.gateway.account(WORKER, world.northwind).status == "closed"
    assert world.chat(key.secret).json()["error"]["code"] == "account_closed"
    ends = {one.recipients: one for one in world.mailbox.messages if one.subject == f"{NAME} is closed"}
    assert set(ends) == {(one.email,) for one in (world.olive, world.ada, world.dev, world.bill, world.vera)}
    assert "to which you belonged, is closed, as Olive" in ends[world.vera.email,].content("plain")
    end = ends[world.olive.email,]
    assert "the gateway has verified that: 1 stored item." in end.content("plain")
    assert str(deletion.id) in end.content("plain")
    assert "You belong to no account that you could open" in page.visit("/").text
    assert f"{NAME} is closed" in page.text
    assert "Nobody can open it any more. Its stored prompts and responses were deleted first." in page.text
    (row,) = page.visit("/profile").table("Your accounts")
    assert (row["Account"], row["Your role"]) == (NAME, "Owner")
    assert row["State"].startswith("closed Closed ")
    assert page.request("GET", "/keys").status_code == 403
    assert len(world.rows(Membership, account_id=world.northwind)) == 5, "who belonged to it is part of the record"


def test_nothing_is_said_to_have_stopped_while_the_gateway_is_away(world, browse, key):
    page = browse(world.olive)
    world.break_gateway()
    page.visit("/account/closing")
    assert "Some figures are not known right now" in page.text
    assert "all of them stop, in effect as soon as the gateway confirms" in page.text
    assert "not known right now." in page.text
    page.submit("Close this account", name=NAME)
    assert (
        "The gateway has not confirmed that its API keys have stopped; until it does, they may still work." in page.text
    )
    assert "API keys: stopping, not confirmed by the gateway" in page.text
    assert "have stopped, in effect" not in page.text
    assert world.chat(key.secret).status_code == 200
    world.clock.advance(**OVER)
    world.run_worker(seconds=3)
    assert closing(world).state == "deleting"
    page = browse(world.olive).visit("/account")
    assert "Its stored content is being deleted." in page.text
    begun = "The time to undo the closing is over: the stored content is being deleted"
    assert begun in page.visit("/activity").text
    world.mend_gateway()
    finish(world)
    (closed,) = world.rows(AuditEntry, event="account.closed")
    assert (closed.chain, closed.actor_kind) == (world.northwind, "worker")
    assert world.gateway.account(WORKER, world.northwind).status == "closed"


def test_the_worker_that_dies_between_the_steps_does_each_once(world, key):
    context = world.services.context
    request_closing(context, world.olive.actor, world.northwind, typed_name=NAME)
    world.clock.advance(days=11, seconds=1)
    step(world)
    step(world)
    world.clock.advance(days=3)
    world.break_gateway()
    step(world)
    step(world)
    row = closing(world)
    assert (row.state, len(world.rows(Deletion))) == ("deleting", 1)
    late, attempt = row.id, row.attempt
    world.mend_gateway()
    finish(world)
    for again in (attempt, closing(world).attempt, closing(world).attempt):
        advance_closing(context, late, again)
    assert closing(world).state == "closed"
    assert len(world.rows(AuditEntry, event="account.closing_begun")) == 1
    assert len(world.rows(AuditEntry, event="account.closed")) == 1
    told = letters(world)
    assert [who for who, subject in told if subject == f"{NAME} is closed soon"] == [world.olive.email]
    people = (world.olive, world.ada, world.dev, world.bill, world.vera)
    assert [who for who, subject in told if subject == f"{NAME} is closed"] == sorted(one.email for one in people)
    assert len(world.rows(Deletion)) == 1


def test_who_has_another_account_is_told_on_its_overview_for_a_month(world, browse):
    with world.db.transaction() as tx:
        tx.add(Membership(account_id=world.elsewhere, user_id=world.vera.id, role="viewer", created_at=world.clock.now))
    request_closing(world.services.context, world.olive.actor, world.northwind, typed_name=NAME)
    world.clock.advance(**OVER)
    finish(world)

    page = browse(world.vera).visit("/")
    assert page.one(".account b").text == "Elsewhere"
    assert f"{NAME} is closed" in page.text
    assert "nobody can open it any more. Its stored content was deleted first." in page.text
    page.follow("Your accounts")
    assert {row["Account"] for row in page.table("Your accounts")} == {NAME, "Elsewhere"}
    assert f"{NAME} is closed" not in page.visit("/keys").text
    world.clock.advance(days=30, seconds=1)
    assert f"{NAME} is closed" not in browse(world.vera).visit("/").text


def test_it_is_asked_for_once_and_stopped_once_whoever_is_first(world):
    context, olive = world.services.context, world.olive.actor
    with world.db.transaction() as tx:
        (row,) = tx.query(Membership).filter_by(user_id=world.ada.id)
        row.role = "owner"
    tabs = [world.browser(person).visit("/account/closing") for person in (world.olive, world.ada)]
    assert tabs[0].submit("Close this account", name=NAME).status == 200
    second = tabs[1].submit("Close this account", name=NAME)
    assert second.status == 409
    assert "This account is being closed already." in second.text
    assert len(world.rows(AccountClosing)) == 1
    undo_closing(context, olive, world.northwind)
    with pytest.raises(Conflict, match="not being closed"):
        undo_closing(context, olive, world.northwind)
    with pytest.raises(NotAllowed):
        request_closing(context, world.bill.actor, world.northwind, typed_name=NAME)
    with pytest.raises(Invalid, match="Type the account's name"):
        request_closing(context, olive, world.northwind, typed_name="Elsewhere")
    world.clock.advance(**OVER)
    world.run_worker(seconds=2)
    assert closing(world).state == "undone", "what was stopped never happens"


def test_the_last_second(world):
    context, olive = world.services.context, world.olive.actor
    row = request_closing(context, olive, world.northwind, typed_name=NAME)
    assert row.closes_at - row.requested_at == timedelta(days=14)
    world.clock.now = row.closes_at - timedelta(seconds=1)
    step(world)
    undo_closing(context, olive, world.northwind)
    step(world)
    assert closing(world).state == "undone", "the undoing came first"

    with world.db.transaction() as tx:
        tx.query(AccountClosing).delete()
    row = request_closing(context, olive, world.northwind, typed_name=NAME)
    world.clock.now = row.closes_at
    page = world.browser(world.olive).visit("/account")
    late = page.request("POST", "/account/reopening", data={"csrf_token": page.csrf_token()})
    assert late.status_code == 409
    assert "The time to undo this is over" in late.text
    step(world)
    with pytest.raises(Conflict, match="being deleted"):
        undo_closing(context, olive, world.northwind)


def test_a_clock_that_jumps_counts_no_day_twice(world):
    row = request_closing(world.services.context, world.olive.actor, world.northwind, typed_name=NAME)
    for days in (13, -10, 5, -8):
        world.clock.advance(days=days)
        world.run_worker()
        assert closing(world).closes_at == row.closes_at
        assert closing(world).state == "requested"
    assert [subject for _, subject in letters(world)].count(f"{NAME} is closed soon") == 1
    world.clock.now = row.closes_at
    finish(world)


def test_a_deletion_that_fails_is_asked_for_again_and_the_account_is_not_closed(world, key):
    request_closing(world.services.context, world.olive.actor, world.northwind, typed_name=NAME)
    world.clock.advance(**OVER)
    world.break_gateway()
    step(world)
    with world.db.transaction() as tx:
        tx.query(Deletion).one().state = "failed"
    step(world)
    row = closing(world)
    assert (row.state, row.last_failure) == ("deleting", "The deletion failed.")
    (account,) = world.rows(Account, id=world.northwind)
    assert account.status == "active"
    assert account.halt == "being closed"
    world.mend_gateway()
    world.clock.advance(hours=1)
    finish(world)
    assert {one.state for one in world.rows(Deletion)} == {"failed", "verified"}


def test_a_personal_account_is_closed_like_any_other(world, browse):
    with world.db.transaction() as tx:
        tx.get_one(Account, world.elsewhere).kind = "personal"
    page = browse(world.strange).visit("/account")
    assert facts(page)["Kind"] == "Personal"
    page.follow("Close the account")
    assert "nobody else belongs to it. You can sign in and read" in page.text
    page.submit("Close this account", name="Elsewhere")
    world.clock.advance(**OVER)
    finish(world)
    page = browse(world.strange).visit("/")
    assert "You belong to no account" in page.text
    assert page.visit("/organizations/new").status == 200


def test_what_is_left_of_the_balance_is_said_before(world):
    given = CreditBody(available_micro_usd=12_340_000, charged_micro_usd=0, version=1)
    path = f"/accounts/{world.northwind}/credit"
    world.gateway._call(Credit, WORKER, world.northwind, "PUT", path, body=given.model_dump(mode="json"))
    said = world.browser(world.olive).visit("/account/closing").text
    assert "$12.34 available by the gateway's count of" in said
    assert "Write to support about what is left before the account is closed." in said
    assert "Nothing was paid" not in said


def test_after_a_restore_the_gateway_says_whether_a_closing_still_stands(world):
    world.break_gateway()
    request_closing(world.services.context, world.olive.actor, world.northwind, typed_name=NAME)
    world.mend_gateway()
    context = world.services.context
    assert reconcile(context, world.northwind).status is None, "the gateway has seen nothing later"
    assert closing(world).state == "requested"
    world.run_worker(seconds=25)
    assert world.gateway.account(WORKER, world.northwind).status == "suspended"

    # After the backup an owner stopped it, and the account was renamed.
    (account,) = world.rows(Account, id=world.northwind)
    later = account.revision + 2
    world.gateway.put_account(WORKER, world.northwind, "Northwind GmbH", "active", revision=later)
    assert reconcile(context, world.northwind).status == "active"
    with world.db.reading() as tx:
        assert closing_of(tx, world.northwind) is None
    (account,) = world.rows(Account, id=world.northwind)
    assert (account.name, account.halt, account.revision) == ("Northwind GmbH", "", later)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_who_cannot_be_mailed_is_counted_before_and_not_written_to(world):
    with world.db.transaction() as tx:
        tx.get_one(User, world.dev.id).email_verified = False
    page = world.browser(world.olive).visit("/account/closing")
    assert "4 other people are mailed now, except 1 without a verified e-mail address" in page.text
    page.submit("Close this account", name=NAME)

    told = {who for who, _ in letters(world)}
    assert told == {person.email for person in (world.olive, world.ada, world.bill, world.vera)}
