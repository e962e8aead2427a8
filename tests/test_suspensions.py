"""Suspension by staff: of an account, whose keys stop when the gateway says so, and of a person, whose sessions end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import delete

from anuma_dash.audit import AuditEntry
from anuma_dash.cli import main
from anuma_dash.db import new_id
from anuma_dash.domain.restoring import reconcile
from anuma_dash.domain.suspensions import (
    AccountSuspension,
    person_suspension_of,
    suspend_account,
    suspend_person,
    suspension_of,
    unsuspend_account,
    unsuspend_person,
)
from anuma_dash.errors import Conflict, Invalid, NotAllowed, NotFound
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import OPERATOR, WORKER, Account, Membership, StaffMember, StaffRole
from anuma_dash.web.sessions import BrowserSession

REASON = "Payment with a card that its holder reports as stolen."
CONTEST = "appeals@anuma.example"


def staff(person, *roles):
    return replace(person.actor, staff_roles=frozenset(roles))


@pytest.fixture
def ines(world):
    """Ines, administrator of the service, as the staff section knows her."""
    return staff(world.ines, StaffRole.ADMINISTRATOR)


@pytest.fixture
def key(world):
    """A key of Dev's."""
    return world.gateway.create_key(
        world.dev.actor, world.northwind, NewKey(name="ci", created_by=world.dev.id), str(new_id())
    )


def account_of(world):
    (account,) = world.rows(Account, id=world.northwind)
    return account


def told_about(world):
    page = world.browser(world.olive).visit("/activity")
    return page.text


def test_a_suspended_account_has_no_working_key_and_ending_it_brings_none_back(world, ines, key):
    context = world.services.context
    account = suspend_account(context, ines, world.northwind, reason=f"  {REASON}\n", contest=CONTEST)
    assert (account.status, account.gateway_status) == ("suspended", "suspended")
    refused = world.chat(key.secret)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "account_suspended")
    with world.db.reading() as tx:
        row = suspension_of(tx, world.northwind)
    assert (row.reason, row.contest, row.by_name) == (REASON, CONTEST, world.ines.name)

    with pytest.raises(Conflict, match="suspended already"):
        suspend_account(context, ines, world.northwind, reason=REASON, contest=CONTEST)
    account = unsuspend_account(context, staff(world.theo, StaffRole.ADMINISTRATOR), world.northwind)
    assert (account.status, account.gateway_status) == ("active", "active")
    refused = world.chat(key.secret)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "deactivated_api_key")
    assert world.gateway.overview(ines, world.northwind).cost_today_micro_usd == 0, "nothing is charged"
    assert world.gateway.key(ines, world.northwind, key.id).state == "deactivated"
    with pytest.raises(Conflict, match="not suspended"):
        unsuspend_account(context, ines, world.northwind)
    (ended,) = world.rows(AccountSuspension)
    assert (ended.by_name, ended.ended_by_name) == (world.ines.name, world.theo.name)

    said = told_about(world)
    assert f"suspended the account: {REASON}" in said
    assert "ended the suspension of the account" in said
    assert "The gateway treats the account as suspended, in effect" in said
    (entry,) = world.rows(AuditEntry, event="account.suspended")
    assert (entry.actor_kind, entry.actor_id) == ("staff", world.ines.id)
    world.run_worker()
    letters = {one.subject: one for one in world.mailbox.messages}
    assert {one.recipients for one in world.mailbox.messages} == {(world.olive.email,)}
    assert set(letters) == {"Northwind Labs is suspended", "The suspension of Northwind Labs has ended"}
    assert all(text in letters["Northwind Labs is suspended"].content("plain") for text in (REASON, CONTEST))


def test_nothing_says_stopped_before_the_gateway_has_confirmed(world, ines, key):
    world.break_gateway()
    account = suspend_account(world.services.context, ines, world.northwind, reason=REASON, contest=CONTEST)
    assert (account.status, account.gateway_synced_at, account.gateway_status) == ("suspended", None, "")
    assert world.chat(key.secret).status_code == 200, "the gateway does not know yet"
    world.mend_gateway()
    world.run_worker(seconds=25)
    assert account_of(world).gateway_status == "suspended"
    assert world.chat(key.secret).status_code == 403

    # A call of before, which the network kept, must not undo it.
    late = account_of(world)
    with pytest.raises(Exception, match="later change"):
        world.gateway.put_account(WORKER, late.id, late.name, "active", revision=late.revision - 1)
    assert world.gateway.account(WORKER, world.northwind).status == "suspended"


def test_who_may_suspend_whom(world, ines):
    context = world.services.context
    for actor in (world.olive.actor, staff(world.sam, StaffRole.SUPPORT), staff(world.pria, StaffRole.PRIVACY)):
        with pytest.raises(NotAllowed, match="needs the staff role administrator"):
            suspend_account(context, actor, world.northwind, reason=REASON, contest=CONTEST)
        with pytest.raises(NotAllowed):
            suspend_person(context, actor, world.dev.id, reason=REASON)
    with pytest.raises(NotAllowed, match="Nobody suspends themselves"):
        suspend_person(context, ines, world.ines.id, reason=REASON)
    with pytest.raises(NotAllowed, match="works for the service"):
        suspend_person(context, ines, world.sam.id, reason=REASON)
    with world.db.transaction() as tx:
        tx.add(StaffMember(user_id=world.strange.id, role="administrator", created_at=world.clock.now))
        tx.add(Membership(account_id=world.northwind, user_id=world.ines.id, role="viewer", created_at=world.clock.now))
    with pytest.raises(NotAllowed, match="You belong to this account"):
        suspend_account(context, ines, world.northwind, reason=REASON, contest=CONTEST)
    with pytest.raises(NotFound):
        suspend_account(context, ines, new_id(), reason=REASON, contest=CONTEST)
    for reason in ("", "too short", "   " * 20, "x" * 1001):
        with pytest.raises(Invalid, match="20 to 1,000 characters"):
            suspend_account(context, ines, world.elsewhere, reason=reason, contest=CONTEST)
    with pytest.raises(Invalid, match="e-mail address"):
        suspend_account(context, ines, world.elsewhere, reason=REASON, contest="call us")
    assert world.rows(AccountSuspension) == []


def test_a_suspended_person_is_out_at_once_and_comes_back_by_signing_in_anew(world, ines, key):
    context, browser = world.services.context, world.browser(world.dev)
    assert browser.request("GET", "/keys").status_code == 200
    row = suspend_person(context, ines, world.dev.id, reason=REASON)
    assert row.sessions_ended == 1
    assert browser.request("GET", "/keys").headers["Location"].startswith("/sign-in")
    assert all(session.ended_at for session in world.rows(BrowserSession, user_id=world.dev.id))
    assert world.chat(key.secret).status_code == 200, "the key is the account's"
    with pytest.raises(Conflict, match="suspended already"):
        suspend_person(context, ines, world.dev.id, reason=REASON)

    unsuspend_person(context, ines, world.dev.id)
    assert browser.request("GET", "/keys").headers["Location"].startswith("/sign-in"), "no session comes back"
    assert world.browser(world.dev).request("GET", "/keys").status_code == 200
    with world.db.reading() as tx:
        assert person_suspension_of(tx, world.dev.id) is None
    with pytest.raises(Conflict, match="not suspended"):
        unsuspend_person(context, ines, world.dev.id)
    said = told_about(world)
    assert f"suspended {world.dev.name}, which ended 1 session" in said
    assert REASON not in said, "the reason is for the person"
    world.run_worker()
    letters = [one.subject for one in world.mailbox.messages if world.dev.email in one.recipients]
    assert sorted(letters) == ["You are suspended at Anuma", "You may sign in again"]


def test_a_sign_in_that_ran_beside_the_suspension_does_not_live_again(world, ines):
    context = world.services.context
    suspend_person(context, ines, world.dev.id, reason=REASON)
    late = world.browser(world.dev)  # its session was begun by a sign-in that had read the person before
    assert late.request("GET", "/keys").headers["Location"].startswith("/sign-in")

    unsuspend_person(context, ines, world.dev.id)
    assert late.request("GET", "/keys").headers["Location"].startswith("/sign-in"), "earlier sessions stay ended"


def test_whoever_lost_the_staff_role_meanwhile_suspends_nobody(world, ines):
    context = world.services.context
    suspend_person(context, ines, world.vera.id, reason=REASON)
    suspend_account(context, ines, world.elsewhere, reason=REASON, contest=CONTEST)
    with world.db.transaction() as tx:
        tx.execute(delete(StaffMember).where(StaffMember.user_id == world.ines.id))
    for act in (
        lambda: suspend_account(context, ines, world.northwind, reason=REASON, contest=CONTEST),
        lambda: unsuspend_account(context, ines, world.elsewhere),
        lambda: suspend_person(context, ines, world.dev.id, reason=REASON),
        lambda: unsuspend_person(context, ines, world.vera.id),
    ):
        with pytest.raises(NotAllowed, match="needs the staff role administrator"):
            act()


def test_after_a_restore_the_gateway_says_whether_an_account_is_suspended(world, ines):
    context = world.services.context
    before = account_of(world)
    suspend_account(context, ines, world.northwind, reason=REASON, contest=CONTEST)

    def restore_backup():
        with world.behind_the_triggers() as tx:
            account = tx.get_one(Account, world.northwind)
            account.status, account.revision = before.status, before.revision
            account.gateway_status, account.gateway_status_at = before.gateway_status, before.gateway_status_at
            for row in tx.query(AccountSuspension).all():
                tx.delete(row)

    restore_backup()
    assert reconcile(context, world.northwind).status == "suspended"
    page = world.browser(world.olive).visit("/")
    assert "A backup of the dashboard was restored" in page.text
    assert reconcile(context, world.northwind).status is None, "once is enough"
    assert unsuspend_account(context, OPERATOR, world.northwind).gateway_status == "active"


def test_an_operator_suspends_in_the_name_of_an_administrator(world, monkeypatch):
    for name, value in {
        "INSTANCE": world.settings.instance,
        "DATABASE_URL": world.settings.database_url,
        "GATEWAY_URL": world.settings.gateway_url,
        "JWT_KEY_FILE": world.settings.jwt_key_file,
        "SUPPORT_EMAIL": CONTEST,
    }.items():
        monkeypatch.setenv(f"ANUMA_{name}", str(value))

    def run(*command):
        return CliRunner().invoke(main, ["suspension", *map(str, command)])

    by = ("--by", world.ines.email)
    said = run("account", world.northwind, *by, "--reason", REASON).output
    assert "Northwind Labs is suspended. The gateway confirmed it, in effect" in said
    assert "suspended already" in run("account", world.northwind, *by, "--reason", REASON).output
    assert f"{world.ines.name}: {REASON} (not ended)" in run("list", world.northwind).output
    assert "needs the staff role administrator" in run("end-account", world.northwind, "--by", world.sam.email).output
    assert "Its keys stay deactivated." in run("end-account", world.northwind, *by).output
    assert "0 people with the verified address" in run("person", "x@y.example", *by, "--reason", REASON).output
    assert "Sessions ended: 0." in run("person", world.vera.email, *by, "--reason", REASON).output
    assert "may sign in again." in run("end-person", world.vera.email, *by).output
    (row,) = world.rows(AccountSuspension)
    assert (row.contest, row.by_id, row.ended_by_name) == (CONTEST, world.ines.id, world.ines.name)
