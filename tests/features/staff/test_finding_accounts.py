"""Staff find an account: four ways, each recorded, and a result says no more than it must."""

from __future__ import annotations

from sqlalchemy import update
from structlog.testing import capture_logs

from anuma_dash.audit import SYSTEM_CHAIN, AuditDetail, AuditEntry
from anuma_dash.db import new_id
from anuma_dash.domain.accounts import create_account
from anuma_dash.gateway.schemas import NewKey
from anuma_dash.identity import OPERATOR, Account, User

NOT_BEFORE_A_GRANT = ("Olive", "Ada", "Dev Kapoor", "northwind.example", "@")


def found(page):
    return [row["Account"] for row in page.table("Accounts found")] if page.select("#found table") else []


def searches(world):
    """What the log of the service says of searches, newest first."""
    with world.db.reading() as tx:
        rows = tx.query(AuditEntry, AuditDetail).join(AuditDetail, AuditDetail.entry_id == AuditEntry.id)
        rows = rows.where(AuditEntry.chain == SYSTEM_CHAIN, AuditEntry.event == "staff.searched")
        return [(entry, detail.body) for entry, detail in rows.order_by(AuditEntry.number.desc())]


def test_sam_finds_northwind_four_ways_and_sees_its_name_status_and_grants_alone(world, browse):
    key = world.gateway.create_key(world.dev.actor, world.northwind, NewKey(name="k"), str(new_id()))
    page = browse(world.sam).visit("/staff").follow("Accounts")

    for by, term in (
        ("email", "Olive@northwind.example"),
        ("name", "northWIND"),
        ("id", str(world.northwind)),
        ("key", key.last_four),
    ):
        page.submit("Search", by=by, term=term)
        assert "Northwind Labs" in found(page), by
        assert "Elsewhere" not in found(page) or by == "key"
        (row,) = [one for one in page.table("Accounts found") if one["Account"] == "Northwind Labs"]
        assert row == {"Account": "Northwind Labs", "Status": "Active", "Grants": "No grants"}
        assert not [word for word in NOT_BEFORE_A_GRANT if word in page.one("#found").text]
        assert term not in page.path, "an address in a URL would end up in logs"

    page.follow("Northwind Labs")
    assert page.heading == "Northwind Labs"
    assert str(world.northwind) in page.text
    assert not [word for word in NOT_BEFORE_A_GRANT if word in page.one("main").text]
    assert "Organization" not in page.text
    assert "Created" not in page.text
    (opened,) = world.rows(AuditEntry, event="staff.account_opened")
    assert (opened.chain, opened.actor_id, opened.actor_kind) == (SYSTEM_CHAIN, world.sam.id, "staff")
    log = world.browser(world.ines).visit("/staff/activity").text
    assert f"Sam Ruiz opened the account {world.northwind} in the staff section" in log


def test_a_search_is_recorded_with_who_how_and_what_was_found_but_no_address(world):
    page = world.browser(world.sam).visit("/staff/accounts")
    page.submit("Search", by="email", term="olive@northwind.example")
    page.submit("Search", by="name", term="No such")

    (nothing, words), (entry, body) = searches(world)
    assert (entry.actor_kind, entry.actor_id, body["actor"]) == ("staff", world.sam.id, "Sam Ruiz")
    assert body["fields"] == {
        "kind": "e-mail address",
        "term": "o…@northwind.example",
        "count": 1,
        "account_ids": [str(world.northwind)],
    }
    assert (nothing.chain, words["fields"]["count"]) == (SYSTEM_CHAIN, 0)
    page = world.browser(world.ines).visit("/staff/activity")
    assert "Sam Ruiz looked for accounts by e-mail address “o…@northwind.example” and found 1 account" in page.text
    assert "olive@northwind.example" not in page.text


def test_the_address_stands_in_no_log_line(world):
    page = world.browser(world.sam).visit("/staff/accounts")
    with capture_logs() as lines:
        page.submit("Search", by="email", term="olive@northwind.example")

    assert "staff.create_search" in str(lines)
    assert "olive@northwind" not in str(lines)


def test_an_address_finds_by_verified_members_and_by_the_billing_contact(world):
    with world.db.transaction() as tx:
        tx.execute(update(User).where(User.id == world.vera.id).values(email_verified=False))
        tx.execute(update(Account).where(Account.id == world.elsewhere).values(contact_email="bills@elsewhere.example"))
    page = world.browser(world.sam).visit("/staff/accounts")

    assert found(page.submit("Search", by="email", term="bills@elsewhere.example")) == ["Elsewhere"]
    assert found(page.submit("Search", by="email", term="vera@northwind.example")) == []
    assert "No member has this verified address" in page.text
    assert found(page.submit("Search", by="email", term="%@northwind.example")) == []


UNFINDABLE = (
    ("email", "olive", "Enter a whole e-mail address."),
    ("name", "No", "Enter 3 characters of the name or more."),
    ("id", "0190", "An account ID has 32 digits and letters in five groups."),
    ("key", "abc", "Enter the last four letters and digits of the key"),
    ("key", "anuma_live_000000000000000000000000000000000000", "no more of it"),
    ("shoe size", "44", "Choose what to search by."),
    ("name", "", "Enter what to look for."),
)


def test_what_cannot_be_looked_for_is_said_and_nothing_is_recorded(world):
    browser = world.browser(world.sam).visit("/staff/accounts")
    for by, term, words in UNFINDABLE:
        form = {"csrf_token": browser.csrf_token(), "by": by, "term": term}
        answer = browser.request("POST", "/staff/accounts", data=form)
        assert answer.status_code == 422, term
        assert words in answer.text
    assert searches(world) == []


def test_of_many_accounts_fifty_are_shown_and_that_there_are_more(world):
    with world.db.transaction() as tx:
        strange = tx.get_one(User, world.strange.id)
        for number in range(51):
            create_account(tx, OPERATOR, strange, f"Bakery 100% {number}", "organization", world.clock.now)
    page = world.browser(world.sam).visit("/staff/accounts").submit("Search", by="name", term="bakery 100%")

    assert len(found(page)) == 50
    assert "50 accounts. There are more; say more exactly what you look for." in page.text


def test_without_the_gateway_the_last_four_find_nothing_out_and_the_try_is_recorded(world, browse):
    world.break_gateway()
    page = browse(world.sam).visit("/staff/accounts").submit("Search", by="key", term="abcd")

    assert page.status == 503
    assert "Nothing was found out" in page.text
    assert "Keys are known there alone." in page.text
    assert searches(world)[0][1]["fields"]["count"] is None
    assert "found an unknown number of accounts" in world.browser(world.ines).visit("/staff/activity").text


def test_searching_is_limited(world):
    browser = world.browser(world.sam).visit("/staff/accounts")
    form = {"csrf_token": browser.csrf_token(), "by": "id", "term": str(world.northwind)}
    statuses = [browser.request("POST", "/staff/accounts", data=form).status_code for _ in range(21)]

    assert statuses == [200] * 20 + [429]
    assert len(searches(world)) == 20


def test_privacy_staff_search_nothing(world):
    page = world.browser(world.pria).visit("/staff")
    assert "They have no pages here yet." in page.text
    assert not page.offers("Accounts")
    assert page.visit("/staff/accounts").status == 404
